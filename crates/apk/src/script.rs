//! The scripts of a package.

/// The scripts, all of them, and their names, from one list.
macro_rules! scripts {
    ($($(#[$doc:meta])* $script:ident = $name:literal,)+) => {
        /// The scripts apk runs (`src/package.c`, `apk_script_types`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Script {
            $($(#[$doc])* $script,)+
        }

        impl Script {
            /// Every kind.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$script),+];

            /// The name without the dot in front that it has in the control section.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$script => $name,)+
                }
            }
        }
    };
}

scripts! {
    /// Before the first installation.
    PreInstall = "pre-install",
    /// After the first installation.
    PostInstall = "post-install",
    /// Before removal.
    PreDeinstall = "pre-deinstall",
    /// After removal.
    PostDeinstall = "post-deinstall",
    /// Before an upgrade.
    PreUpgrade = "pre-upgrade",
    /// After an upgrade.
    PostUpgrade = "post-upgrade",
    /// When a directory in `triggers` changed.
    Trigger = "trigger",
}

impl Script {
    /// The kind for the name of an entry, e.g. `.post-install`.
    pub(crate) fn from_entry_name(name: &[u8]) -> Option<Self> {
        let name = name.strip_prefix(b".")?;
        Self::ALL
            .into_iter()
            .find(|script| script.as_str().as_bytes() == name)
    }
}

impl std::fmt::Display for Script {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}
