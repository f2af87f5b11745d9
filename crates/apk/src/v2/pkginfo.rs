//! pkginfo
