//! Secrets and signatures of the Standard Webhooks scheme: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 32;
const PREFIX: &str = "whsec_";

/// The text of a secret as its owner is shown it. It has no `Debug`, so that it cannot be logged by
/// accident.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new secret.
    #[must_use]
    pub fn from_random(random: &[u8; SECRET_BYTES]) -> Self {
        Self(format!("{PREFIX}{}", STANDARD.encode(random)))
    }

    /// A stored secret.
    pub(super) fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// `whsec_…`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// `v1,<base64>` of a message; none when the stored text is no secret.
    pub(super) fn sign(&self, id: &str, timestamp_s: i64, body: &str) -> Option<String> {
        let key = STANDARD.decode(self.0.strip_prefix(PREFIX)?).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body.as_bytes());
        Some(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_scheme_says() {
        // The example of the Standard Webhooks specification's own libraries.
        let secret = Secret::from_stored("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let signed = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed.as_deref(), Some(expected));
    }

    #[test]
    fn a_secret_is_its_bytes_in_base64() {
        let secret = Secret::from_random(&[7; SECRET_BYTES]);
        let expected = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        assert_eq!(secret.text(), expected);
        assert!(secret.sign("a", 1, "b").is_some());
        assert!(
            Secret::from_stored("whsec_%".to_owned())
                .sign("a", 1, "b")
                .is_none()
        );
    }
}
