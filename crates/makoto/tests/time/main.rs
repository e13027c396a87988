//! Identities, timestamps and trusted roots, with keys, certificates and tokens that openssl
//! makes for the test.

mod acme;
mod identities;
mod openssl;
mod roots;
mod timestamps;
mod vouchers;
