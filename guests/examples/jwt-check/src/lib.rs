//! Lets only requests with a valid JSON Web Token (HS256) pass, and tells the origin who asks.
//!
//! The key-value store holds `jwt-secret`, during a rotation also `jwt-secret-previous`, and may hold
//! `jwt-issued-after`: seconds since 1970; older tokens are refused. A hook before the cache has no clock,
//! so that is how sessions end here; `exp` is for the origin to check.
//!
//! The algorithm is not taken from the token: HMAC-SHA-256 is computed, whatever the token's header says,
//! and `alg: none` fails as any wrong signature does.

use edgeward_sdk::{Reply, Request, kv, log};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

mod claims;

edgeward_sdk::viewer_request!(handle);

fn handle(req: &mut Request) -> Result<(), Reply> {
    // Only this hook says who asks.
    req.remove_header("x-user");
    let token = req.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = token.or_else(|| req.cookie("session")).ok_or_else(|| refuse("no token"))?;
    let claims = verify(token)?;
    let claims = std::str::from_utf8(&claims).map_err(|_| refuse("claims are not UTF-8"))?;

    if let Some(least) = kv::get_text("jwt-issued-after").and_then(|text| text.trim().parse::<u64>().ok()) {
        let issued = claims::number(claims, "iat").ok_or_else(|| refuse("no iat"))?;
        if issued < least {
            return Err(refuse("token was revoked"));
        }
    }
    if let Some(user) = claims::string(claims, "sub") {
        req.set_header("x-user", user);
    }
    Ok(())
}

/// The claims of a token whose signature is right.
fn verify(token: &str) -> Result<Vec<u8>, Reply> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(|| refuse("not a token"))?;
    let (_, claims) = signed.split_once('.').ok_or_else(|| refuse("not a token"))?;
    let signature = base64url(signature).ok_or_else(|| refuse("not a token"))?;
    let valid = ["jwt-secret", "jwt-secret-previous"].into_iter().filter_map(kv::get).any(|secret| {
        Hmac::<Sha256>::new_from_slice(&secret)
            .is_ok_and(|mac| !secret.is_empty() && mac.chain_update(signed).verify_slice(&signature).is_ok())
    });
    if !valid {
        return Err(refuse("wrong signature"));
    }
    base64url(claims).ok_or_else(|| refuse("not a token"))
}

/// The client learns nothing; the log says why.
fn refuse(why: &str) -> Reply {
    log::line(why);
    Reply::new(401).header("www-authenticate", "Bearer").header("cache-control", "no-store").body("unauthorized\n")
}

/// Base64url without padding. None for anything that is not exactly that.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    // What is left over is padding: less than a character, and zero.
    (held < 6 && bits & ((1 << held) - 1) == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use edgeward_sdk::testing::{Case, Op};

    /// {"alg":"HS256","typ":"JWT"} . {"sub":"1234567890","name":"John Doe","iat":1516239022}, the example of
    /// jwt.io, signed with `your-256-bit-secret`.
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";

    fn case(token: &str) -> Case {
        Case::request("GET", "/").header("authorization", &format!("Bearer {token}"))
    }

    #[test]
    fn a_signed_token_passes_and_names_the_user() {
        let outcome = case(TOKEN).value("jwt-secret", "your-256-bit-secret").run(super::handle);
        let user = Op::SetHeader("x-user".into(), "1234567890".into());
        assert_eq!(outcome.ops(), [Op::RemoveHeader("x-user".into()), user]);
    }

    #[test]
    fn the_previous_secret_is_good_during_a_rotation() {
        let rotated = case(TOKEN).value("jwt-secret", "new").value("jwt-secret-previous", "your-256-bit-secret");
        assert_eq!(rotated.run(super::handle).status(), None);
    }

    #[test]
    fn everything_else_is_refused() {
        let (head, _) = TOKEN.rsplit_once('.').unwrap();
        let none = format!("eyJhbGciOiJub25lIn0.{}.", head.split_once('.').unwrap().1);
        for token in ["", "a.b.c", head, &none, &TOKEN[..TOKEN.len() - 1], &TOKEN.replace("SflK", "SflL")] {
            let outcome = case(token).value("jwt-secret", "your-256-bit-secret").run(super::handle);
            assert_eq!(outcome.status(), Some(401), "{token}");
        }
        assert_eq!(case(TOKEN).run(super::handle).status(), Some(401), "no secret");
        assert_eq!(case(TOKEN).value("jwt-secret", "").run(super::handle).status(), Some(401), "empty secret");
    }

    #[test]
    fn older_tokens_can_be_revoked() {
        let case = case(TOKEN).value("jwt-secret", "your-256-bit-secret");
        assert_eq!(case.clone().value("jwt-issued-after", "1516239022").run(super::handle).status(), None);
        assert_eq!(case.value("jwt-issued-after", "1516239023").run(super::handle).status(), Some(401));
    }
}
