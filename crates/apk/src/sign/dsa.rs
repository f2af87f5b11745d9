//! DSA keys (FIPS 186), which old packages were signed with. Verified, never made.

use dsa::{BoxedUint, Components, Signature, VerifyingKey, signature::hazmat::PrehashVerifier};

use crate::cursor::Cursor;

use super::der::{self, Malformed};

/// Sizes of the prime p in bytes that are taken, and of q. FIPS 186 pairs them off; OpenSSL makes 1024 with 224 bits too.
const P_SIZES: [usize; 3] = [128, 256, 384];
const Q_SIZES: [usize; 3] = [20, 28, 32];

/// Reads a key from the parameters and the public value of its SubjectPublicKeyInfo (RFC 3279, 2.3.2).
pub(super) fn parse(parameters: &[u8], public_value: &[u8]) -> Result<VerifyingKey, Malformed> {
    let mut cursor = Cursor::new(parameters);
    let p = der::take_unsigned(&mut cursor)?;
    let q = der::take_unsigned(&mut cursor)?;
    let g = der::take_unsigned(&mut cursor)?;
    cursor.finish()?;
    let mut cursor = Cursor::new(public_value);
    let y = der::take_unsigned(&mut cursor)?;
    cursor.finish()?;
    let is_full = |digits: &[u8]| matches!(digits, [0x80..=0xff, ..]);
    if !P_SIZES.contains(&p.len()) || !Q_SIZES.contains(&q.len()) || !is_full(p) || !is_full(q) {
        return Err(Malformed);
    }
    // Every number gets the width of its modulus: the library compares and multiplies numbers of one width.
    let (p_width, q_width) = (p.len(), q.len());
    let (p, q, g, y) = (
        number(p, p_width)?,
        number(q, q_width)?,
        number(g, p_width)?,
        number(y, p_width)?,
    );
    if y >= p {
        return Err(Malformed);
    }
    // Unchecked means the sizes, which were checked above.
    let components = Components::from_components_unchecked(p, q, g).map_err(|_| Malformed)?;
    VerifyingKey::from_components(components, y).map_err(|_| Malformed)
}

/// Checks a signature: `SEQUENCE { r, s }` (RFC 3279, 2.2.2) over a SHA-1.
pub(super) fn verify(key: &VerifyingKey, digest: &[u8], signature: &[u8]) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(der::only(signature, der::SEQUENCE)?);
    let r = der::take_unsigned(&mut cursor)?;
    let s = der::take_unsigned(&mut cursor)?;
    cursor.finish()?;
    let q_width = key.components().q().to_be_bytes().len();
    let signature =
        Signature::from_components(number(r, q_width)?, number(s, q_width)?).ok_or(Malformed)?;
    key.verify_prehash(digest, &signature)
        .map_err(|_| Malformed)
}

fn number(digits: &[u8], width: usize) -> Result<BoxedUint, Malformed> {
    let bits = u32::try_from(width * 8).map_err(|_| Malformed)?;
    BoxedUint::from_be_slice(digits, bits).map_err(|_| Malformed)
}
