//! Hashes that other programs made. Each was made by an independent one: Python's `hashlib`, `argon2-cffi` and `bcrypt`.

use super::*;

const PASSWORD: &[u8] = b"correct horse 42";
const BCRYPT: &str = "$2a$10$GJF/VF.jCWTEaMem0DnnhOYqAxf90n69ix2F7IrhOzF7RAkc3aGr2";
const HASHES: [&str; 5] = [
    "$pbkdf2-sha256$i=320000$AAECAwQFBgcICQoLDA0ODw$wBg7MpCWzi09+ad+GJLWlyUokxI6GaeuVPEdNNFoO9hqnsmyNZChR7++nAAS8nZpXeU",
    "$pbkdf2-sha256$i=10000$AAECAwQFBgcICQoLDA0ODw$77Rx8Jk89VLkmp3R8JlyFOGYdStZ4fkgtjxpAgDKyFBAopwLJCvzUuP7fijxhUHGdBE",
    "$argon2id$v=19$m=65536,t=2,p=8$AAECAwQFBgcICQoLDA0ODw$Xr9g+C9zU7Gu5SoeuyPHSupfKeBNJlbtOWb8AtkvlNVkoIT/2UXE/XVpXsJobMjVPN4",
    "$scrypt$ln=16,r=16,p=2$AAECAwQFBgcICQoLDA0ODw$9+s1NNYv6wGkCCGmgHAqsSunY5kcccpFawLF9leZecOyyr1EGApUxAmHDM2fe3tycYM",
    BCRYPT,
];

#[test]
fn the_right_password_is_right_whoever_hashed_it() {
    for hash in HASHES {
        assert!(is_verifiable(hash), "{hash}");
        assert!(is_to_be_replaced(hash, (8, 1)), "{hash}");
        assert_eq!(verify(hash, PASSWORD), Ok(true), "{hash}");
    }
}

#[test]
fn another_password_is_wrong() {
    for hash in HASHES {
        for wrong in [&b"correct horse 43"[..], b"", b"correct horse 42 "] {
            assert_eq!(verify(hash, wrong), Ok(false), "{hash}");
        }
    }
}

#[test]
fn a_hash_that_cannot_be_read_is_an_error_and_never_right() {
    for hash in [
        "",
        "correct horse 42",
        "$md5$abc",
        "$2a$10$short",
        "$pbkdf2-sha256$i=0$AAECAwQFBgcICQoLDA0ODw$wBg7MpCWzi09+ad+GJLWlyUokxI",
        "$pbkdf2-sha256$AAECAwQFBgcICQoLDA0ODw$wBg7MpCWzi09+ad+GJLWlyUokxI",
        "$pbkdf2-sha256$i=10000$AAECAwQFBgcICQoLDA0ODw",
    ] {
        assert!(verify(hash, PASSWORD).is_err(), "{hash}");
        assert!(!is_verifiable(hash), "{hash}");
    }
}

#[test]
fn what_would_cost_too_much_is_not_taken() {
    let rest = "$AAECAwQFBgcICQoLDA0ODw$wBg7MpCWzi09+ad+GJLWlyUokxI";
    for (kind, taken) in [
        ("$pbkdf2-sha256$i=2400000", true),
        ("$pbkdf2-sha256$i=2400001", false),
        ("$argon2id$v=19$m=262144,t=64,p=64", true),
        ("$argon2id$v=19$m=262145,t=2,p=8", false),
        ("$argon2id$v=19$m=65536,t=65,p=8", false),
        ("$scrypt$ln=17,r=16,p=2", true),
        ("$scrypt$ln=18,r=16,p=2", false),
        ("$scrypt$ln=64,r=16,p=2", false),
        ("$scrypt$ln=16,r=16,p=65", false),
    ] {
        assert_eq!(is_verifiable(&format!("{kind}{rest}")), taken, "{kind}");
    }
    assert!(!is_verifiable(&BCRYPT.replace("$10$", "$17$")));
}

#[test]
fn a_hash_stays_where_it_costs_as_much_to_guess_as_those_of_this_server() {
    let is_replaced = |parameters: &str| {
        let hash = format!("${parameters}$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo");
        is_to_be_replaced(&hash, (19 * 1024, 2))
    };
    for stays in [
        "argon2id$v=19$m=19456,t=2,p=1",
        "argon2id$v=19$m=65536,t=3,p=1",
    ] {
        assert!(!is_replaced(stays), "{stays}");
    }
    for replaced in [
        // What a forge may be set to, with the one lane that this server has.
        "argon2id$v=19$m=8,t=1,p=1",
        "argon2id$v=19$m=65536,t=1,p=1",
        "argon2id$v=19$m=4096,t=3,p=1",
        "argon2id$v=19$m=65536,t=2,p=8",
        "argon2i$v=19$m=65536,t=3,p=1",
        "argon2id$v=16$m=65536,t=3,p=1",
    ] {
        assert!(is_replaced(replaced), "{replaced}");
    }
}

#[test]
fn a_token_is_known_by_the_hash_that_the_forge_kept() {
    let kept = ForeignHash {
        hash: "ac3f82a15d0e4cc615a4d65298640f659cb0c47015b7dc864951ca4153eca89d10ace11e99bbed223269fb207517be266740".to_owned(),
        salt: "aZ09saltxy".to_owned(),
    };
    let token = "0123456789abcdef0123456789abcdef01234567";
    assert!(is_token_of(&kept, token));
    assert!(!is_token_of(
        &kept,
        "1123456789abcdef0123456789abcdef01234567"
    ));
    let salted = ForeignHash {
        salt: "aZ09saltxz".to_owned(),
        ..kept.clone()
    };
    assert!(!is_token_of(&salted, token));
    let cut = ForeignHash {
        hash: kept.hash[..98].to_owned(),
        ..kept
    };
    assert!(!is_token_of(&cut, token) && !is_token_hash(&cut));
}

#[test]
fn a_token_of_a_forge_is_forty_hex_digits() {
    let token = "0123456789abcdef0123456789abcdef01234567";
    assert!(is_token(token));
    for other in [
        &token[1..],
        &token.to_uppercase(),
        "",
        &format!("{token}0"),
        &token.replace('a', "g"),
    ] {
        assert!(!is_token(other), "{other}");
    }
}
