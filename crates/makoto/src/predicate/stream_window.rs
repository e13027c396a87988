//! `https://makoto.dev/stream-window/v1`: one window of a stream (FORMATS §8).

use crate::datetime::{DateTime, Duration};
use crate::digest::Digest;
use crate::document;
use crate::json::{Json, Object};
use crate::scalar::{
    AnyText, NonNegative, Positive, Root, StringMap, Text, Uint, Uri, closed_vocabulary,
};
use crate::shape::{At, Findings, Need, Shape};

document! {
    /// Predicate of a stream-window statement.
    pub struct StreamWindow {
        /// The stream.
        required stream: Stream = "stream",
        /// The window.
        required window: Window = "window",
        /// Tree over the records, and the link to the window before.
        required integrity: Integrity = "integrity",
        /// Figures over the records.
        optional aggregates: Aggregates = "aggregates",
        /// The system that collected the records.
        from_l2("L2.P.5") collector: WindowCollector = "collector",
        /// Figures of the collection.
        optional metadata: WindowMetadata = "metadata",
        /// Where proofs are to be had.
        optional verification: WindowProofs = "verification",
    }
}

document! {
    /// A stream.
    pub struct Stream {
        /// Identifier of the stream.
        required id: Text = "id",
        /// Where the stream comes from.
        recommended source: AnyText = "source",
        /// Topic or subscription.
        optional topic: AnyText = "topic",
        /// Partitions that were read.
        optional partitions: Vec<AnyText> = "partitions",
    }
    => partitions_are_distinct
}

fn partitions_are_distinct(stream: &Stream, at: &At<'_>, findings: &mut Findings) {
    let mut names: Vec<_> = stream.partitions.iter().flatten().collect();
    let count = names.len();
    names.sort();
    names.dedup();
    if names.len() < count {
        findings.warn(&at.field("partitions"), "names a partition twice");
    }
}

document! {
    /// The bounds and kind of a window.
    pub struct Window {
        /// Kind of window.
        required kind: WindowType = "type",
        /// Length of the window.
        required duration: Duration = "duration",
        /// Distance between the starts of sliding windows.
        optional slide: Duration = "slide",
        /// What the bounds are aligned to.
        optional alignment: Alignment = "alignment",
        /// Watermark when the window closed.
        optional watermark: DateTime = "watermark",
        /// How late a record may come.
        optional allowed_lateness: Duration = "allowedLateness",
    }
    => sliding_needs_slide, schema sliding_needs_slide_schema
}

fn sliding_needs_slide(window: &Window, at: &At<'_>, findings: &mut Findings) {
    if window.kind == WindowType::Sliding && window.slide.is_none() {
        findings.missing(&at.field("slide"), Need::Required, Duration::NEEDED);
    }
    if window.duration.is_zero() {
        findings.warn(&at.field("duration"), "is zero");
    }
}

fn sliding_needs_slide_schema(schema: &mut Object) {
    let sliding = [("const", "sliding".into())].into();
    let kind = [("properties", Json::from([("type", sliding)]))];
    let slide = [("required", Json::from_iter(["slide".into()]))];
    schema.insert("if", kind.into());
    schema.insert("then", slide.into());
}

closed_vocabulary! {
    /// Kind of window.
    pub enum WindowType {
        /// Windows side by side.
        Tumbling = "tumbling",
        /// Windows that overlap.
        Sliding = "sliding",
        /// Windows that end with a gap.
        Session = "session",
        /// One window, closed by a trigger.
        Global = "global",
    }
}

closed_vocabulary! {
    /// What the bounds of a window are aligned to.
    pub enum Alignment {
        /// The clock on the wall.
        WallClock = "wall-clock",
        /// The time in the records.
        EventTime = "event-time",
        /// The time of processing.
        ProcessingTime = "processing-time",
    }
}

document! {
    /// Tree over the records of a window, and its place in the chain.
    pub struct Integrity {
        /// Tree over the records.
        required merkle_tree: MerkleTree = "merkleTree",
        /// The window before; null in the first.
        optional previous_window: PreviousWindow = "previousWindow",
        /// The window before, and the chain's length and start.
        optional chain: Chain = "chain",
    }
    => previous_and_chain_agree
}

fn previous_and_chain_agree(integrity: &Integrity, at: &At<'_>, findings: &mut Findings) {
    let (Some(PreviousWindow::Window(previous)), Some(chain)) =
        (&integrity.previous_window, &integrity.chain)
    else {
        return;
    };
    let here = at.field("previousWindow");
    let named = previous.name.as_ref().or(previous.window_id.as_ref());
    if let (Some(name), Some(id)) = (named, &chain.previous_window_id)
        && name != id
    {
        findings.contradiction(
            &here,
            format!(
                "is {:?}, but chain.previousWindowId is {:?}",
                name.as_str(),
                id.as_str()
            ),
        );
    }
    let root = previous
        .digest
        .as_ref()
        .and_then(|digest| digest.merkle_root)
        .or(previous.merkle_root);
    if let (Some(root), Some(chain_root)) = (root, &chain.previous_merkle_root)
        && chain_root.as_str() != root.to_string()
    {
        let message = format!("has root {root}, but chain.previousMerkleRoot is {chain_root:?}");
        findings.contradiction(&here, message);
    }
}

document! {
    /// Tree over the records of a window.
    pub struct MerkleTree {
        /// Hash of the nodes.
        required algorithm: HashAlgorithm = "algorithm",
        /// Hash of the leaves, if another.
        optional leaf_hash_algorithm: AnyText = "leafHashAlgorithm",
        /// Leaves in the tree.
        required leaf_count: Uint = "leafCount",
        /// Levels of the tree; not checked, published examples differ by one.
        optional tree_height: Uint = "treeHeight",
        /// Root of the tree in lower-case hex.
        required root: Root = "root",
    }
    => root_fits_the_algorithm
}

fn root_fits_the_algorithm(tree: &MerkleTree, at: &At<'_>, findings: &mut Findings) {
    let digits = tree.algorithm.hex_digits();
    let root = tree.root.as_str();
    if root.len() != digits {
        let needed = format!(
            "{digits} lower-case hex digits for algorithm {}",
            tree.algorithm.as_str()
        );
        findings.wrong(&at.field("root"), &root.into(), &needed);
    }
    if tree.algorithm != HashAlgorithm::Sha256 {
        findings.warn(
            &at.field("algorithm"),
            format!(
                "is {}, which Makoto cannot recompute",
                tree.algorithm.as_str()
            ),
        );
    }
}

closed_vocabulary! {
    /// Hash of a tree: the union of the published lists.
    pub enum HashAlgorithm {
        /// SHA-256, the one that Makoto writes and recomputes.
        Sha256 = "sha256",
        /// SHA-384.
        Sha384 = "sha384",
        /// SHA-512.
        Sha512 = "sha512",
        /// SHA3-256.
        Sha3_256 = "sha3-256",
        /// SHA3-384.
        Sha3_384 = "sha3-384",
        /// SHA3-512.
        Sha3_512 = "sha3-512",
        /// BLAKE2b.
        Blake2b = "blake2b",
        /// BLAKE3.
        Blake3 = "blake3",
    }
}

impl HashAlgorithm {
    fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha3_256 | Self::Blake3 => 64,
            Self::Sha384 | Self::Sha3_384 => 96,
            Self::Sha512 | Self::Sha3_512 | Self::Blake2b => 128,
        }
    }
}

/// The window before this one. The specification gives it no type (conflict C10): an object,
/// a URI, or null in the first window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviousWindow {
    /// There is none.
    First,
    /// Its attestation.
    Reference(Uri),
    /// Its name and digests.
    Window(Box<PreviousWindowObject>),
}

document! {
    /// Name, digests and attestation of the window before.
    pub struct PreviousWindowObject {
        /// Its name.
        optional name: Text = "name",
        /// Its digests.
        optional digest: PreviousDigest = "digest",
        /// Its attestation.
        optional attestation_ref: Uri = "attestationRef",
        /// Its name, in the form of a public note.
        optional window_id: Text = "windowId",
        /// Its root, in the form of a public note.
        optional merkle_root: Digest = "merkleRoot",
    }
    => refers_to_something
}

document! {
    /// Digests of the window before.
    pub struct PreviousDigest {
        /// Its SHA-256.
        optional sha256: Digest = "sha256",
        /// Its root.
        optional merkle_root: Digest = "merkleRoot",
    }
    => unknown_digests_are_strings, schema crate::scalar::strings_only_schema
}

fn unknown_digests_are_strings(digest: &PreviousDigest, at: &At<'_>, findings: &mut Findings) {
    crate::scalar::strings_only(&digest.extra, at, findings);
}

fn refers_to_something(window: &PreviousWindowObject, at: &At<'_>, findings: &mut Findings) {
    let refers = window.name.is_some()
        || window.window_id.is_some()
        || window.attestation_ref.is_some()
        || window.merkle_root.is_some()
        || window.digest.is_some();
    if !refers {
        findings.empty(at, &window.write(), PreviousWindow::NEEDED);
    }
}

impl Shape for PreviousWindow {
    const NEEDED: &'static str = "the window before: an object, a URI, or null in the first window";

    fn read(value: Json, at: &At<'_>, findings: &mut Findings) -> Option<Self> {
        match value {
            Json::Null => Some(Self::First),
            Json::String(_) => Uri::read(value, at, findings).map(Self::Reference),
            Json::Object(_) => Shape::read(value, at, findings).map(Self::Window),
            _ => {
                findings.wrong(at, &value, Self::NEEDED);
                None
            }
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::First => Json::Null,
            Self::Reference(uri) => uri.write(),
            Self::Window(window) => window.write(),
        }
    }

    fn schema() -> Json {
        let forms = [
            [("type", "null".into())].into(),
            Uri::schema(),
            PreviousWindowObject::schema(),
        ];
        [("anyOf", forms.into_iter().collect())].into()
    }
}

document! {
    /// The link to the window before, as the public schemas spell it.
    pub struct Chain {
        /// Its name.
        optional previous_window_id: Text = "previousWindowId",
        /// Its root.
        optional previous_merkle_root: Root = "previousMerkleRoot",
        /// Windows in the chain up to this one.
        optional chain_length: Positive = "chainLength",
        /// Name of the first window.
        optional genesis_window_id: AnyText = "genesisWindowId",
    }
    => id_and_root_come_together, schema id_and_root_come_together_schema
}

fn id_and_root_come_together(chain: &Chain, at: &At<'_>, findings: &mut Findings) {
    match (&chain.previous_window_id, &chain.previous_merkle_root) {
        (Some(_), None) => findings.missing(
            &at.field("previousMerkleRoot"),
            Need::Required,
            "the root of previousWindowId",
        ),
        (None, Some(_)) => findings.missing(
            &at.field("previousWindowId"),
            Need::Required,
            "the window of previousMerkleRoot",
        ),
        _ => {}
    }
}

fn id_and_root_come_together_schema(schema: &mut Object) {
    let (id, root) = ("previousWindowId", "previousMerkleRoot");
    let together =
        [(id, root), (root, id)].map(|(one, other)| (one, Json::from_iter([other.into()])));
    schema.insert("dependentRequired", together.into());
}

document! {
    /// Figures over the records of a window.
    pub struct Aggregates {
        /// Checksum over the figures.
        optional checksum: AnyText = "checksum",
        /// The figures.
        optional statistics: Statistics = "statistics",
    }
}

document! {
    /// Statistics over the records of a window.
    pub struct Statistics {
        /// Earliest time in the records.
        optional min_timestamp: DateTime = "minTimestamp",
        /// Latest time in the records.
        optional max_timestamp: DateTime = "maxTimestamp",
        /// Mean distance between records in milliseconds.
        optional avg_interval_ms: NonNegative = "avgIntervalMs",
    }
}

document! {
    /// The system that collected a window.
    pub struct WindowCollector {
        /// Identifier of the system; from L2 on it matches the signer.
        required id: Text = "id",
        /// Versions of its components.
        optional version: StringMap = "version",
        /// Where it stands.
        optional location: AnyText = "location",
    }
}

document! {
    /// Figures of the collection of a window.
    pub struct WindowMetadata {
        /// Time from the last record to the statement.
        optional processing_latency: Duration = "processingLatency",
        /// Records that came late.
        optional late_records: Uint = "lateRecords",
        /// Records that were dropped.
        optional dropped_records: Uint = "droppedRecords",
        /// Times that the source was slowed down.
        optional backpressure_events: Uint = "backpressureEvents",
    }
}

document! {
    /// Where proofs for records of a window are to be had.
    pub struct WindowProofs {
        /// Whether there are any.
        optional merkle_proof_available: bool = "merkleProofAvailable",
        /// Where.
        optional proof_endpoint: Uri = "proofEndpoint",
    }
}
