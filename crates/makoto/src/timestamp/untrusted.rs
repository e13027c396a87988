//! What a token shows to someone who trusts no authority.

use super::asn1::TstInfo;
use super::token::Token;
use super::{TimestampError, check_imprint, gen_time, read_info};
use crate::certificate::Certificate;
use crate::chain::{self, ChainError, Purpose};
use crate::datetime::DateTime;
use crate::limits::Limits;

/// A token that agrees with itself. Whoever made it is unknown, so it proves no time: that is
/// what [`Timestamp`](super::Timestamp) is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrusted {
    certificate: Certificate,
    claimed_time: DateTime,
}

impl Untrusted {
    /// Checks what can be checked of `token` without trust: that it is over the bytes of
    /// `signature`, that the certificate in it made it, and that this one is for timestamps and
    /// valid at the time stated.
    ///
    /// # Errors
    /// [`TimestampError`], as for a token that is verified, but for those of its chain.
    pub fn of(token: &[u8], signature: &[u8]) -> Result<Self, TimestampError> {
        Self::with_info(token, signature).map(|(untrusted, _)| untrusted)
    }

    pub(super) fn with_info(
        token: &[u8],
        signature: &[u8],
    ) -> Result<(Self, TstInfo), TimestampError> {
        if token.len() > Limits::DEFAULT.timestamp_bytes {
            return Err(TimestampError::TooLarge(token.len()));
        }
        let token = Token::read(token)?;
        let info = read_info(&token.content)?;
        check_imprint(&info, signature)?;
        let certificate = token.verified_signer(std::iter::empty())?;
        chain::check_leaf(&certificate, Purpose::Timestamps)?;
        let claimed_time = gen_time(&info)?;
        if claimed_time < *certificate.not_before() {
            return Err(TimestampError::Chain(ChainError::NotYetValid {
                time: claimed_time.to_string(),
                not_before: certificate.not_before().to_string(),
            }));
        }
        if claimed_time > *certificate.not_after() {
            return Err(TimestampError::Chain(ChainError::Expired {
                time: claimed_time.to_string(),
                not_after: certificate.not_after().to_string(),
            }));
        }
        let untrusted = Self {
            certificate,
            claimed_time,
        };
        Ok((untrusted, info))
    }

    /// The certificate that the token holds for.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The time that it states.
    pub fn claimed_time(&self) -> &DateTime {
        &self.claimed_time
    }
}
