//! The other commands of `tarn`, on the data of a server that runs.

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
    server::{ADMIN, credentials_of},
};
