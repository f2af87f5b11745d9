//! The v2 formats: packages of gzip members and the `APKINDEX.tar.gz`.

pub mod gzip;
pub mod index;
pub mod package;
pub mod pkginfo;
pub mod record;
pub mod signature;
pub mod tar;
