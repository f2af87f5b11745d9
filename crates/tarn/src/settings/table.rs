//! Every setting, documented once. The flags, the `TARN_…` variables, the keys of `tarn.toml`, the help and
//! `tarn check-config` are all made from this table.

/// Which commands take a setting as a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Every command that opens the registry.
    Everywhere,
    /// `serve` and `check-config`.
    ByTheServer,
    /// No command: it is a secret, and a command line can be read by every user of the machine. Nor does it belong
    /// in `tarn.toml`, which is often readable by all.
    AsVariableOnly,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The name: the flag without its dashes, and the key in `tarn.toml`.
    pub(crate) name: &'static str,
    /// The environment variable.
    pub(crate) variable: &'static str,
    /// What stands for the value in the help.
    pub(crate) value: &'static str,
    /// The value when none is given; empty when there is none.
    pub(crate) default: &'static str,
    /// What it does, for people. Sentences, without the default.
    pub(crate) help: &'static str,
    /// Who takes it as a flag.
    pub(crate) taken: Taken,
}

impl Setting {
    /// Whether it has several values: separated by commas, or given by the flag again and again.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, "NAMES" | "NETWORKS")
    }

    /// Whether `tarn.toml` may hold it.
    pub(crate) fn in_file(&self) -> bool {
        self.taken != Taken::AsVariableOnly
    }
}

macro_rules! settings {
    ($($constant:ident: $name:literal, $variable:literal, $value:literal, $default:literal, $taken:ident, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub(crate) static $constant: Setting = Setting {
                name: $name,
                variable: $variable,
                value: $value,
                default: $default,
                help: $help,
                taken: Taken::$taken,
            };
        )*
        /// All of them, in the order of the help.
        pub(crate) static ALL: &[&Setting] = &[$(&$constant),*];
    };
}

settings! {
    DATA_DIR: "data-dir", "TARN_DATA_DIR", "DIR", "./tarn-data", Everywhere,
        "The folder that holds the registry: the database, the packages, the sealing key.";
    DATABASE: "database", "TARN_DATABASE", "URL", "", Everywhere,
        "The database: `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`. Without it: `tarn.db` in the data folder.";
    STORAGE: "storage", "TARN_STORAGE", "URL", "", Everywhere,
        "Where the packages are kept: `data-dir`, which is also the default, or an S3 store: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`. Its credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.";
    SECRET_KEY_FILE: "secret-key-file", "TARN_SECRET_KEY_FILE", "FILE", "", Everywhere,
        "A file with the key that seals the private signing keys and the secrets of second factors and webhooks: 32 bytes in base64. Every command must be given the server's key. Without it and without TARN_SECRET_KEY: `secret.key` in the data folder, which the server makes at its first run.";
    LISTEN: "listen", "TARN_LISTEN", "ADDRESS:PORT", "127.0.0.1:8080", ByTheServer,
        "The address and port to listen on. Port 0 takes a free one.";
    BASE_URL: "base-url", "TARN_BASE_URL", "URL", "", ByTheServer,
        "The URL under which clients reach the server, when it stands behind a proxy. Without it: `http://` and the address it listens on.";
    TLS_CERT: "tls-cert", "TARN_TLS_CERT", "FILE", "", ByTheServer,
        "The certificate of the server in PEM, followed by those of its issuers. With it the server speaks TLS, and HTTP/2 to clients that ask for it. The file is read again when it changes, and on SIGHUP.";
    TLS_KEY: "tls-key", "TARN_TLS_KEY", "FILE", "", ByTheServer,
        "The private key of that certificate, in PEM.";
    ACME_DOMAIN: "acme-domain", "TARN_ACME_DOMAIN", "NAMES", "", ByTheServer,
        "The names for which an authority issues the certificate by ACME, separated by commas. With it the server speaks TLS without `tls-cert`, orders the certificate, renews it, and keeps it in the database. Port 443 of each name must reach the port that the server listens on. By setting it you agree to the authority's terms.";
    ACME_EMAIL: "acme-email", "TARN_ACME_EMAIL", "ADDRESS", "", ByTheServer,
        "The e-mail address at which the authority can reach the operator. Without it, the account has no address.";
    ACME_DIRECTORY: "acme-directory", "TARN_ACME_DIRECTORY", "URL", "https://acme-v02.api.letsencrypt.org/directory", ByTheServer,
        "The directory of the authority. The default is that of Let's Encrypt.";
    ACME_CA: "acme-ca", "TARN_ACME_CA", "FILE", "", ByTheServer,
        "Certificates (PEM) to trust besides those of the operating system when connecting to the authority, for a private authority.";
    TRUSTED_PROXIES: "trusted-proxies", "TARN_TRUSTED_PROXIES", "NETWORKS", "", ByTheServer,
        "The proxies that are trusted to name the client's address: addresses or networks, separated by commas, such as `127.0.0.1,10.0.0.0/8`. Without it no proxy is trusted, and the source of a request is the address that connects.";
    PROXY_HEADER: "proxy-header", "TARN_PROXY_HEADER", "HEADER", "x-forwarded-for", ByTheServer,
        "The header in which the trusted proxies name the client: `x-forwarded-for` or `forwarded`. The other one is ignored, since a proxy passes on what a client wrote there.";
    MAX_UPLOAD_SIZE: "max-upload-size", "TARN_MAX_UPLOAD_SIZE", "SIZE", "4GiB", ByTheServer,
        "The largest package that is accepted, unless `tarn quota` says otherwise for its owner, e.g. `500MiB`, `2GiB` or a number of bytes.";
    MAX_UPLOADS: "max-uploads-per-account", "TARN_MAX_UPLOADS_PER_ACCOUNT", "NUMBER", "100", ByTheServer,
        "How many uploads one account may have under way at once. Further ones get 429.";
    QUOTA_BYTES: "quota-bytes", "TARN_QUOTA_BYTES", "SIZE", "", ByTheServer,
        "The most bytes that the packages of one owner may have together, unless `tarn quota` says otherwise for that owner. Without it: no limit.";
    QUOTA_PACKAGES: "quota-packages", "TARN_QUOTA_PACKAGES", "NUMBER", "", ByTheServer,
        "The most package files that one owner may have, unless `tarn quota` says otherwise for that owner. Without it: no limit.";
    VERSIONS: "versions", "TARN_VERSIONS", "RULE", "strict", ByTheServer,
        "Which versions packages may have, unless `tarn user versions` or `tarn org versions` says otherwise for their owner: `strict`, those that every apk orders, or `lenient`, also those that apk installs but cannot order, such as `1.2.3-rc.1`.";
    KEEP_DELETED: "keep-deleted", "TARN_KEEP_DELETED", "TIME", "7d", ByTheServer,
        "For how long a deleted or expired package can be restored with `tarn package restore`. After that its bytes are freed. 0 frees them within the hour.";
    EXPIRY_INTERVAL: "expiry-interval", "TARN_EXPIRY_INTERVAL", "TIME", "1h", ByTheServer,
        "How often the rules of `tarn expiry` are applied.";
    AUDIT_RETENTION: "audit-retention", "TARN_AUDIT_RETENTION", "DAYS", "365", ByTheServer,
        "For how many days the audit log is kept, e.g. `365` or `365d`. 0 keeps it for ever.";
    MAX_INDEX_SIZE: "max-index-size", "TARN_MAX_INDEX_SIZE", "SIZE", "256MiB", ByTheServer,
        "How many bytes the records of one index may have together, before they are compressed. A package beyond that is refused. 30,000 packages of Alpine have about 12 MB.";
    INDEX_CACHE_SIZE: "index-cache-size", "TARN_INDEX_CACHE_SIZE", "SIZE", "256MiB", ByTheServer,
        "How much memory signed indexes may take. One that does not fit is made again when it is asked for.";
    MAX_CONNECTIONS: "max-connections", "TARN_MAX_CONNECTIONS", "NUMBER", "8192", ByTheServer,
        "How many connections are open at once. At the limit the one that has been idle for longest is closed for a new one; where none is idle, a new one gets 503 for everything but `/healthz`.";
    MAX_OF_SOURCE: "max-connections-per-source", "TARN_MAX_CONNECTIONS_PER_SOURCE", "NUMBER", "", ByTheServer,
        "How many of them one IPv4 address, or IPv6 network of 64 bits, may have; trusted proxies are not counted. Without it: half of `max-connections`.";
    REQUEST_TIMEOUT: "request-timeout", "TARN_REQUEST_TIMEOUT", "TIME", "30s", ByTheServer,
        "How long a client may take for the head of a request, or leave a connection unused.";
    STALL_TIMEOUT: "stall-timeout", "TARN_STALL_TIMEOUT", "TIME", "30s", ByTheServer,
        "How long an upload or a download may stand still.";
    STOP_TIMEOUT: "stop-timeout", "TARN_STOP_TIMEOUT", "TIME", "5m", ByTheServer,
        "How long requests under way may go on after SIGTERM or SIGINT.";
    METRICS: "metrics", "TARN_METRICS", "ON|OFF", "off", ByTheServer,
        "Whether `/metrics` shows counts for Prometheus to every client that can reach the server: `on` or `off`. They contain no names.";
    WEBHOOK_ALLOWED_NETWORKS: "webhook-allowed-networks", "TARN_WEBHOOK_ALLOWED_NETWORKS", "NETWORKS", "", ByTheServer,
        "Private networks that webhooks may connect to, e.g. `10.1.0.0/16,fd00::/8`. Without it: public addresses only.";
    LOG_FORMAT: "log-format", "TARN_LOG_FORMAT", "FORMAT", "text", Everywhere,
        "How log lines on standard error look: `text` or `json`.";
    LOG_LEVEL: "log-level", "TARN_LOG_LEVEL", "LEVEL", "info", Everywhere,
        "What is logged: `error`, `warn`, `info`, `debug` or `trace`. For commands other than `serve` the default is `warn`.";
    SECRET_KEY: "secret-key", "TARN_SECRET_KEY", "BASE64", "", AsVariableOnly,
        "The key that seals the private signing keys and the secrets of second factors and webhooks: 32 bytes in base64. It takes precedence over `secret-key-file`. Every command must be given the server's key.";
    ADMIN_PASSWORD: "admin-password", "TARN_ADMIN_PASSWORD", "PASSWORD", "", AsVariableOnly,
        "The password of the account `admin` that the first run makes. Without it: a generated one. Ignored on later runs.";
}

/// The variable that names the settings file, as `--config` does.
pub(crate) const CONFIG_VARIABLE: &str = "TARN_CONFIG";

/// The variables of the commands that talk to a server. A machine that runs the server may have them too.
pub(crate) const CLIENT_VARIABLES: &[&str] = &[
    "TARN_TOKEN",
    "TARN_TOKEN_FILE",
    "TARN_CA_FILE",
    "TARN_PUSH_TO",
];

/// The settings file that is read when none is named, if it is there.
pub(crate) const CONFIG_FILE: &str = "tarn.toml";

/// The settings file of the packages' service, whose unit names it. Commands that are told no registry read it to find the service's.
pub(crate) const SYSTEM_CONFIG_FILE: &str = "/etc/tarn/tarn.toml";

/// The settings that are no flags, for the end of a command's help.
pub(crate) fn variables_help() -> String {
    let mut text = String::from("Secrets, which can be given only as variables:\n");
    for setting in ALL.iter().filter(|setting| !setting.in_file()) {
        text.push_str(&format!("  {}\n      {}\n", setting.variable, setting.help));
    }
    text.trim_end().to_owned()
}

/// The text about settings at the end of `tarn help`.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "Start with `tarn serve`. The other commands change the registry that `--data-dir` names, also while its server runs. \
         `tarn help COMMAND` describes one command.\n\nSettings:\n\
         A flag takes precedence over its variable, the variable over tarn.toml, and that over the default. tarn.toml is read from the \
         working folder, or from where --config or TARN_CONFIG says. Where there is none and no data folder is given, commands other than \
         `serve` read /etc/tarn/tarn.toml, the settings of the service. The keys are the flags without the dashes, such as \
         listen = \"0.0.0.0:8080\". `tarn check-config` shows what is in force and where it comes from.\n",
    );
    for setting in ALL {
        text.push('\n');
        let flag = match setting.taken {
            Taken::AsVariableOnly => setting.variable.to_owned(),
            _ => format!(
                "--{} <{}>, {}",
                setting.name, setting.value, setting.variable
            ),
        };
        text.push_str(&format!("  {flag}\n      {}", setting.help));
        if !setting.default.is_empty() {
            text.push_str(&format!(" [default: {}]", setting.default));
        }
        text.push('\n');
    }
    text.push_str(
        "\nExit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 `inspect` refused the file.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_the_name_in_capitals() {
        for setting in ALL {
            let expected = format!("TARN_{}", setting.name.to_uppercase().replace('-', "_"));
            assert_eq!(setting.variable, expected);
        }
    }
}
