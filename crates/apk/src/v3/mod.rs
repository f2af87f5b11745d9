//! The v3 formats: ADB files, which are an index ([`index`]) or a package ([`package`]). `FORMAT.md` beside this file is the
//! specification.
//!
//! What a newcomer needs to know, with the places of apk-tools where it is written down:
//!
//! - A file ([`container`]) starts with `ADB.`, or with `ADBd` and then one raw deflate stream which holds the same
//!   bytes with `ADB.` in front, or with `ADBc` and the compression's number (`src/adb_comp.c`; [`unpack`]). After `ADB.` come four bytes that name the schema: `indx`, `pckg`.
//! - Then blocks ([`block`]), each with a kind, a length, and zeros up to a multiple of eight (`src/adb.h`): one ADB
//!   block, then signature blocks, then, in packages only, data blocks.
//! - The payload of the ADB block is a little database: an eight-byte header that ends in the root value, then the things that
//!   values point at ([`writer`], [`reader`]; `src/adb.c`). A value ([`value`]) is a 32-bit word: four bits of type,
//!   28 bits that are the number itself or the offset of a number, a blob, or a row of slots. So a payload ends at
//!   256 MiB. The same bytes are stored once and pointed at often.
//! - Slot 0 of a row is the count of its slots, itself included. In an object slot n is field n of the schema
//!   ([`schema`]; `src/apk_adb.h`), in an array it is the nth item. Nothing says whether an offset points at the right
//!   kind of thing: only the schema does, which is why the reader follows the schema and never the data.
//! - A signature ([`signature`]) covers the schema, its own head and the SHA-512 of the payload before compression. It names
//!   its key by the first 16 bytes of the SHA-512 of the public key, not by a file name (`src/adb.c`, `src/crypto_openssl.c`).
//! - In the index ([`index`]) the packages are sorted, since apk searches them by halves (`adb_ra_find`). A v2 package is
//!   listed with the SHA-1 of its control section where a v3 package has a SHA-256 (`src/app_mkndx.c`).
//!
//! All numbers are little endian. `doc/apk-v3.5.scd` of apk-tools is the prose; where it and `src/adb.h` differ (block
//! kind 3 is a header with a 64-bit length, not an illegal block) the code is right.

pub mod block;
mod compression;
pub mod container;
pub mod dependency;
mod error;
mod fields;
mod frame;
pub mod index;
pub mod package;
pub mod reader;
pub mod schema;
pub mod signature;
pub mod unpack;
pub mod value;
pub mod writer;
