//! Who a path of a package belongs to, and who may do what with it: of both formats.

/// Who a path belongs to, and who may do what with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// The lower twelve bits of `st_mode`.
    pub mode: u16,
    /// The name of the user; in v2 the number where there is no name. apk takes `nobody` for a name it does not know.
    pub user: String,
    /// The name of the group, likewise.
    pub group: String,
    /// Extended attributes, in the order of the file.
    pub xattrs: Vec<Xattr>,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// For example `user.comment`.
    pub name: Vec<u8>,
    /// Any bytes.
    pub value: Vec<u8>,
}

impl Acl {
    /// Bytes of its texts.
    pub fn size(&self) -> usize {
        let xattrs = self.xattrs.iter();
        let xattrs = xattrs.map(|xattr| xattr.name.len() + xattr.value.len());
        self.user.len() + self.group.len() + xattrs.sum::<usize>()
    }
}
