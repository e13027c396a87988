//! A token: CMS SignedData with one signer (RFC 5652), and the certificate that signed it.

use aws_lc_rs::digest::digest;
use cms::content_info::ContentInfo;
use cms::signed_data::{EncapsulatedContentInfo, SignerIdentifier, SignerInfo};
use der::asn1::{AnyRef, OctetStringRef, SetOfVec};
use der::oid::ObjectIdentifier;
use der::{Any, Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::EndEntityCert;
use x509_cert::attr::Attribute;
use x509_cert::ext::pkix::SubjectKeyIdentifier;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::asn1::{self, EssCertIdV2, SigningCertificateV2};
use super::{TimestampError, hash, malformed};
use crate::certificate::Certificate;
use crate::chain::{ALGORITHMS, ChainError};
use crate::limits::Limits;

/// A token that was read. Nothing in it is verified.
pub(super) struct Token {
    /// The TSTInfo, as it was signed.
    pub(super) content: Vec<u8>,
    /// The bag of certificates, in any order; whoever passes a token on can fill it.
    bag: Vec<Certificate>,
    signer: SignerInfo,
    attributes: SetOfVec<Attribute>,
}

impl Token {
    pub(super) fn read(token: &[u8]) -> Result<Self, TimestampError> {
        let outer = ContentInfo::from_der(token).map_err(malformed("ContentInfo"))?;
        if outer.content_type != asn1::SIGNED_DATA {
            return Err(TimestampError::Form("is not CMS SignedData"));
        }
        if outer.content.tag() != Tag::Sequence {
            return Err(TimestampError::Form("has no SignedData"));
        }
        let (content, bag, signer) =
            read_signed_data(outer.content.value()).map_err(malformed("SignedData"))?;
        if content.econtent_type != asn1::TST_INFO {
            return Err(TimestampError::Form(
                "is over something else than a TSTInfo",
            ));
        }
        let content = content.econtent.as_ref().map(OctetStringRef::try_from);
        let content = match content {
            Some(Ok(content)) => content.as_bytes().to_vec(),
            _ => return Err(TimestampError::Form("has no TSTInfo")),
        };
        let [signer] = signer.as_slice() else {
            return Err(TimestampError::Form("has not exactly one signer"));
        };
        let signer = SignerInfo::from_der(signer).map_err(malformed("SignerInfo"))?;
        if bag.len() > Limits::DEFAULT.chain_certificates {
            return Err(ChainError::TooMany(bag.len()).into());
        }
        let bag = bag.into_iter().map(Certificate::from_der);
        let bag = bag.collect::<Result<_, _>>();
        let attributes = signer.signed_attrs.clone();
        Ok(Self {
            content,
            bag: bag.map_err(ChainError::Unreadable)?,
            attributes: attributes.ok_or(TimestampError::Form("has no signed attributes"))?,
            signer,
        })
    }

    /// The certificate whose key signed the token, from the bag or from those that are `known`.
    ///
    /// It is the one that the signed attributes name by its hash; that it can be trusted is not
    /// checked here.
    pub(super) fn verified_signer<'a>(
        &'a self,
        known: impl Iterator<Item = &'a Certificate>,
    ) -> Result<Certificate, TimestampError> {
        let content_type = self.attribute(asn1::CONTENT_TYPE, "content type")?;
        if content_type.decode_as::<ObjectIdentifier>() != Ok(asn1::TST_INFO) {
            return Err(TimestampError::Form("was signed as something else"));
        }
        let signed = self.attribute(asn1::MESSAGE_DIGEST, "message digest")?;
        let signed = OctetStringRef::try_from(signed).map_err(malformed("message digest"))?;
        let hash = hash(self.signer.digest_alg.oid)?;
        if digest(hash, &self.content).as_ref() != signed.as_bytes() {
            return Err(TimestampError::ContentChanged);
        }
        let named = self.named_certificate()?;
        let mut candidates = self.bag.iter().chain(known);
        let mut found = None;
        for candidate in &mut candidates {
            if names(&named, candidate)? {
                found = Some(candidate);
                break;
            }
        }
        let certificate = found.ok_or(TimestampError::NoCertificate)?;
        if !self.identifies(certificate, &named)? {
            return Err(TimestampError::OtherCertificate);
        }
        self.check_signature(certificate)?;
        Ok(certificate.clone())
    }

    /// How many paths the bag may lead to, at most: two certificates of one name, of which no more are
    /// tried, make each of them twice as many.
    pub(super) fn paths(&self) -> u64 {
        const MOST_DOUBLED: u32 = 5;
        let subjects = self.bag.iter().map(|one| &one.fields().subject);
        let is_doubled = |index: &usize| {
            let own = &self.bag[*index].fields().subject;
            subjects.clone().skip(index + 1).any(|other| other == own)
        };
        let doubled = (0..self.bag.len()).filter(is_doubled).count();
        1 << u32::try_from(doubled).map_or(MOST_DOUBLED, |doubled| doubled.min(MOST_DOUBLED))
    }

    /// The certificates of the bag that may stand above `signer`.
    pub(super) fn others(&self, signer: &Certificate) -> Vec<Certificate> {
        let others = self.bag.iter().filter(|other| *other != signer);
        others.cloned().collect()
    }

    /// The single value of the attribute `oid`, which is there once.
    fn attribute(&self, oid: ObjectIdentifier, name: &'static str) -> Result<&Any, TimestampError> {
        let mut found = self.attributes.iter().filter(|one| one.oid == oid);
        match (found.next().map(|one| one.values.as_slice()), found.next()) {
            (Some([value]), None) => Ok(value),
            _ => Err(TimestampError::Form(match name {
                "content type" => "has not one content type among its signed attributes",
                _ => "has not one message digest among its signed attributes",
            })),
        }
    }

    fn named_certificate(&self) -> Result<EssCertIdV2, TimestampError> {
        let has = |oid| self.attributes.iter().filter(move |one| one.oid == oid);
        let mut found = has(asn1::SIGNING_CERTIFICATE_V2);
        let named = match (found.next(), found.next()) {
            (Some(attribute), None) => attribute.values.as_slice(),
            (None, _) if has(asn1::SIGNING_CERTIFICATE).next().is_some() => {
                return Err(TimestampError::OnlySha1);
            }
            _ => return Err(TimestampError::Form("does not name its certificate once")),
        };
        let [named] = named else {
            return Err(TimestampError::Form("does not name its certificate once"));
        };
        let named: SigningCertificateV2 = named
            .decode_as()
            .map_err(malformed("SigningCertificateV2"))?;
        // The first is the signer's (RFC 5035 §3); others, if any, are of its chain.
        let first = named.certs.into_iter().next();
        first.ok_or(TimestampError::Form("names no certificate"))
    }

    /// Whether the signer's identifier, and the issuer and serial number beside the hash, are
    /// those of `certificate`.
    fn identifies(
        &self,
        certificate: &Certificate,
        named: &EssCertIdV2,
    ) -> Result<bool, TimestampError> {
        let fields = certificate.fields();
        let by_id = match &self.signer.sid {
            SignerIdentifier::IssuerAndSerialNumber(id) => {
                id.issuer == fields.issuer && id.serial_number == fields.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(id) => {
                let own = certificate.known::<SubjectKeyIdentifier>();
                let own = own.map_err(malformed("subject key identifier"))?;
                own.is_some_and(|(_, own)| own == *id)
            }
        };
        let by_issuer = named.issuer_serial.as_ref().is_none_or(|id| {
            id.serial_number == fields.serial_number
                && id.issuer.iter().any(|name| {
                    matches!(name, GeneralName::DirectoryName(name) if *name == fields.issuer)
                })
        });
        Ok(by_id && by_issuer)
    }

    fn check_signature(&self, certificate: &Certificate) -> Result<(), TimestampError> {
        // RFC 5652 §5.4: what was signed is the DER of the attributes as a set, which is not
        // how they stand in the token. It is written from the very values that are judged.
        let signed = self.attributes.to_der();
        let signed = signed.map_err(malformed("signed attributes"))?;
        let der = CertificateDer::from(certificate.der());
        let refused = |error| ChainError::Refused(format!("{error:?}"));
        let certificate = EndEntityCert::try_from(&der).map_err(refused)?;
        let mut right_key = false;
        for algorithm in self.algorithms()? {
            let signature = self.signer.signature.as_bytes();
            match certificate.verify_signature(algorithm, &signed, signature) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
                Err(_) => right_key = true,
            }
        }
        match right_key {
            true => Err(TimestampError::Signature),
            false => Err(TimestampError::Algorithm(self.algorithm_name())),
        }
    }

    /// The accepted algorithms of the token's signature, one for each kind of key.
    fn algorithms(
        &self,
    ) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, TimestampError> {
        let stated = &self.signer.signature_algorithm;
        // RFC 3370 §3.2: `rsaEncryption` stands for PKCS#1 v1.5 with the hash of the signer.
        let rsa = |hash| AlgorithmIdentifierOwned {
            oid: hash,
            parameters: Some(Any::null()),
        };
        let meant = match (stated.oid, self.signer.digest_alg.oid) {
            (asn1::RSA, asn1::SHA256) => rsa(SHA256_WITH_RSA),
            (asn1::RSA, asn1::SHA384) => rsa(SHA384_WITH_RSA),
            (asn1::RSA, asn1::SHA512) => rsa(SHA512_WITH_RSA),
            _ => stated.clone(),
        };
        let whole = meant.to_der().map_err(malformed("signature algorithm"))?;
        let value = AnyRef::from_der(&whole).map_err(malformed("signature algorithm"))?;
        let same = |one: &&&dyn SignatureVerificationAlgorithm| {
            one.signature_alg_id().as_ref() == value.value()
        };
        Ok(ALGORITHMS.iter().filter(same).copied().collect())
    }

    fn algorithm_name(&self) -> String {
        self.signer.signature_algorithm.oid.to_string()
    }
}

const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");

/// Whether `named` is the hash of `certificate`.
fn names(named: &EssCertIdV2, certificate: &Certificate) -> Result<bool, TimestampError> {
    let oid = named.hash_algorithm.as_ref().map(|algorithm| algorithm.oid);
    let hash = hash(oid.unwrap_or(asn1::SHA256))?;
    Ok(digest(hash, certificate.der()).as_ref() == named.cert_hash.as_bytes())
}

type SignedData<'a> = (EncapsulatedContentInfo, Vec<&'a [u8]>, Vec<&'a [u8]>);

/// The content, certificates and signers of a SignedData. Certificates and signers keep their
/// bytes, so that nothing is hashed that was written again; the same certificate may be there
/// twice, as some authorities have it.
fn read_signed_data(value: &[u8]) -> der::Result<SignedData<'_>> {
    let mut reader = SliceReader::new(value)?;
    let _version = u8::decode(&mut reader)?;
    let _hashes = AnyRef::decode(&mut reader)?;
    let content = EncapsulatedContentInfo::decode(&mut reader)?;
    let (mut bag, mut signers) = (Vec::new(), Vec::new());
    for expected in [BAG, REVOCATIONS, Tag::Set] {
        if reader.is_finished() || reader.peek_tag()? != expected {
            continue;
        }
        let part = AnyRef::decode(&mut reader)?;
        match expected {
            BAG => bag = items(part.value())?,
            Tag::Set => signers = items(part.value())?,
            _ => {}
        }
    }
    reader.finish((content, bag, signers))
}

const BAG: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber::N0,
};
const REVOCATIONS: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber::N1,
};

fn items(value: &[u8]) -> der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(value)?;
    let mut items = Vec::new();
    while !reader.is_finished() {
        items.push(reader.tlv_bytes()?);
    }
    Ok(items)
}
