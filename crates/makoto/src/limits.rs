//! Budgets. Every number says why it is what it is; reaching one is an error, never a pass.

/// What a reader may spend on one document or one dataset.
///
/// There is one instance of each number in the product: [`Limits::DEFAULT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one JSON document. A statement with 100,000 subjects is about 15 MB,
    /// and nobody reviews a larger one.
    pub document_bytes: usize,
    /// Nesting of arrays and objects. Extensions of 50 levels are seen; recursion
    /// stays far below a thread's stack.
    pub depth: usize,
    /// Values in one document. Keeps a document of `[[],[],…` from costing twenty times
    /// its size in memory.
    pub values: usize,
    /// Findings kept for one document. The first thousand are enough to mend it.
    pub findings: usize,
    /// Bytes of an attestation file, which may hold several statements as JSON Lines.
    pub sidecar_bytes: usize,
    /// Bytes of one record. A longer one is almost always a wrong format or a missing
    /// line end, and a record is held in memory whole.
    pub record_bytes: usize,
    /// Bytes of data in flight between reading and hashing. Keeps peak memory well
    /// under 64 MiB whatever the size of the data.
    pub in_flight_bytes: usize,
    /// Inflated bytes per stored byte. Real logs and tables reach 30 to 1, gzip's worst
    /// is 1,032 to 1.
    pub inflation_ratio: u64,
    /// Inflated bytes that are always allowed, so that small files of zeros pass.
    pub inflation_floor: u64,
    /// Depth of folders below an attested folder; deeper is a link cycle or an attack.
    pub folder_depth: usize,
    /// How often a folder may be entered again by links. Thirty pairs of links can name one file
    /// a thousand million times.
    pub folder_repeats: usize,
    /// Bytes of a folder's manifest: about a million files with long names.
    pub manifest_bytes: usize,
    /// Bytes of a list of paths, which is held in memory: about two million paths.
    pub list_bytes: usize,
    /// Bytes of one request to an object store. Large enough that asking costs nothing.
    pub range_bytes: u64,
    /// Requests for one object that are under way at once. Four of 4 MiB fill a fast link and
    /// are 16 MiB of memory.
    pub ranges_in_flight: usize,
    /// Seconds until an object store accepts a connection.
    pub connect_seconds: u64,
    /// Seconds for one request to an object store with its whole answer: 4 MiB at 70 kB/s.
    pub request_seconds: u64,
    /// How often a request that failed is sent again. What fails four times is down.
    pub request_retries: usize,
}

impl Limits {
    /// The budgets of this product.
    pub const DEFAULT: Self = Self {
        document_bytes: 16 << 20,
        depth: 128,
        values: 1_000_000,
        findings: 1_000,
        sidecar_bytes: 64 << 20,
        record_bytes: 16 << 20,
        in_flight_bytes: 12 << 20,
        inflation_ratio: 200,
        inflation_floor: 64 << 20,
        folder_depth: 64,
        folder_repeats: 1_000,
        manifest_bytes: 256 << 20,
        list_bytes: 256 << 20,
        range_bytes: 4 << 20,
        ranges_in_flight: 4,
        connect_seconds: 10,
        request_seconds: 60,
        request_retries: 3,
    };
}
