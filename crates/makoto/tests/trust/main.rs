//! Envelopes, bundles and keys, as another program would use them or attack them.

mod attacks;
mod bundles;
mod keys;
mod openssl;
mod wycheproof;
