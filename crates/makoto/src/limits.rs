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
    /// Signatures, certificates, time stamps or log entries of one envelope, each. Every
    /// signature is tried with every trusted key; a handful is seen.
    pub envelope_items: usize,
    /// Statements about the same data whose signatures are verified. Who may write beside data, or
    /// into a store, can add any number; each costs a verification per signature.
    pub authenticated_statements: usize,
    /// Signatures tried with keys for one verdict, inputs and all. A tenth of a millisecond each,
    /// so that nobody who may write beside data holds a verifier up for more than seconds; with a
    /// policy of 100 keys they are enough for 300 envelopes of one signature.
    pub signature_attempts: u64,
    /// Bytes of an attestation file, which may hold several statements as JSON Lines.
    pub sidecar_bytes: usize,
    /// Values in all lines of an attestation file. Statements have one in twenty bytes or more; a file
    /// of `[[],[],…` takes twenty times its size in memory.
    pub sidecar_values: usize,
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
    /// Ways of reading a folder that statements about it ask for. Each reads all of it again;
    /// who writes a folder leaves out the same each time.
    pub folder_readings: usize,
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
    /// Attestations about one digest that one look into a store reads. They are held in memory,
    /// and who may write a store can add any number.
    pub store_entries: usize,
    /// Attestation files that are read when folders are searched for them.
    pub search_files: usize,
    /// Bytes of all those files, which are held in memory.
    pub search_bytes: u64,
    /// Stages of a lineage. The largest pipelines seen have some ten thousand; each is read and
    /// kept, at about 6 KB.
    pub lineage_stages: usize,
    /// Links of a lineage: a few inputs for each stage, or a few steps that read very many.
    pub lineage_links: usize,
    /// Bytes of the attestations that a lineage is read from. What is kept of them takes a few
    /// times as much memory, and a single one may have 16 MB.
    pub lineage_bytes: u64,
    /// Members of a package. Their headers are read one by one.
    pub package_members: usize,
    /// Bytes of a package's directory, which is held in memory.
    pub package_directory_bytes: u64,
    /// Bytes of a TOML file that people write, such as `makoto.toml`. One with a section for each
    /// of a thousand datasets is about 200 KB.
    pub toml_bytes: usize,
    /// Parts of a dotted key in such a file. Ours have two; without a limit, one line of dots
    /// nests tables deeper than a thread's stack.
    pub key_parts: usize,
    /// Keys, tables and items in such a file. A thousand datasets need about 17,000, and each
    /// can cost 2 KB of memory while the file is read.
    pub toml_values: usize,
    /// Bytes of one text in such a file. Names and URIs are shorter, and the search for secrets
    /// takes time that grows with the square of the length.
    pub toml_text_bytes: usize,
    /// Bytes of a name that is compared with the patterns of a policy: of a dataset, a signer or a
    /// source. The names that rules are for are shorter, and comparing takes time that grows with
    /// the product of both lengths.
    pub matched_name_bytes: usize,
    /// Bytes of the footer of a Parquet or Arrow file. Ten thousand columns in ten row groups
    /// take 20 MB; read, a footer takes ten to twenty times that.
    pub table_footer_bytes: usize,
    /// Nesting of a table's schema. A list takes three levels in Parquet; tables of ten lists
    /// in each other are not seen, and recursion stays far below a thread's stack.
    pub table_depth: usize,
    /// Pages of one row group, whose places are held in memory: a million MiB.
    pub table_pages: usize,
    /// Bytes that must be in memory at once to read one row of a table: a page and a dictionary
    /// of each column, or a record batch. A thousand columns with pages of the usual MiB.
    pub table_bytes: usize,
    /// Bytes of columns that are read ahead of the writing of rows, if rows are small enough.
    pub batch_bytes: usize,
    /// Bytes of rows as text per stored byte. Dictionaries of long strings reach a hundred;
    /// runs can make a thousand million rows out of a hundred bytes.
    pub row_inflation_ratio: u64,
    /// Bytes of rows as text that are always allowed, so that small files of wide and empty
    /// rows pass: some ten seconds of work.
    pub row_inflation_floor: u64,
    /// Bytes of one certificate. Those with very many names have 10 KB; the path checks read no
    /// longer one.
    pub certificate_bytes: usize,
    /// Certificates of one chain, and those that come along with a signature or token. Real chains
    /// have four; finding a path among many of one name takes time that multiplies.
    pub chain_certificates: usize,
    /// Bytes of a file of certificates or public keys. The largest chain has ten certificates, and
    /// a policy names keys one by one.
    pub pem_bytes: usize,
    /// Bytes of a timestamp token or of a timestamp authority's answer. One with a chain of four
    /// certificates has 8 KB.
    pub timestamp_bytes: usize,
    /// Seconds for a timestamp authority's whole answer. It signs one hash; what takes longer is
    /// down, or trickles to hold us up.
    pub timestamp_seconds: u64,
    /// Seconds for all that one verdict fetches. References are small and near; a verdict that takes
    /// a minute is one that somebody holds up.
    pub reference_seconds: u64,
    /// Bytes of a file with a key or a certificate. An encrypted RSA key of 8192 bits has 8 KB.
    pub key_bytes: usize,
    /// Bytes of a passphrase. The longest that people use are sentences.
    pub passphrase_bytes: usize,
    /// Bytes of memory that scrypt may take to open a key. What is recommended takes 128 MiB.
    pub scrypt_bytes: u64,
    /// Work to open a key with scrypt, N × r × p: four times what is recommended, about two
    /// seconds.
    pub scrypt_work: u64,
    /// Rounds of PBKDF2 to open a key. 600,000 are recommended; ten million take a few seconds.
    pub pbkdf2_rounds: u64,
    /// Keys of one key set. A person or a pipeline has a few, and each is compared with each
    /// signature.
    pub key_set_keys: usize,
}

impl Limits {
    /// The budgets of this product.
    pub const DEFAULT: Self = Self {
        document_bytes: 16 << 20,
        depth: 128,
        values: 1_000_000,
        findings: 1_000,
        envelope_items: 32,
        authenticated_statements: 256,
        signature_attempts: 32_768,
        sidecar_bytes: 64 << 20,
        sidecar_values: 4_000_000,
        record_bytes: 16 << 20,
        in_flight_bytes: 12 << 20,
        inflation_ratio: 200,
        inflation_floor: 64 << 20,
        folder_depth: 64,
        folder_repeats: 1_000,
        folder_readings: 8,
        manifest_bytes: 256 << 20,
        list_bytes: 256 << 20,
        range_bytes: 4 << 20,
        ranges_in_flight: 4,
        connect_seconds: 10,
        request_seconds: 60,
        request_retries: 3,
        lineage_stages: 250_000,
        lineage_links: 2_000_000,
        lineage_bytes: 512 << 20,
        store_entries: 100_000,
        search_files: 200_000,
        search_bytes: 512 << 20,
        package_members: 100_000,
        package_directory_bytes: 32 << 20,
        toml_bytes: 1 << 20,
        key_parts: 8,
        toml_values: 25_000,
        toml_text_bytes: 1 << 10,
        matched_name_bytes: 4 << 10,
        table_footer_bytes: 32 << 20,
        table_depth: 64,
        table_pages: 1_000_000,
        table_bytes: 1 << 30,
        batch_bytes: 4 << 20,
        row_inflation_ratio: 1_000,
        row_inflation_floor: 4 << 30,
        certificate_bytes: 32 << 10,
        chain_certificates: 10,
        pem_bytes: 1 << 20,
        timestamp_bytes: 128 << 10,
        timestamp_seconds: 10,
        reference_seconds: 60,
        key_bytes: 32 << 10,
        passphrase_bytes: 1 << 10,
        scrypt_bytes: 256 << 20,
        scrypt_work: 4 << 20,
        pbkdf2_rounds: 10_000_000,
        key_set_keys: 256,
    };

    /// The budgets for `manifest.json` and `run_results.json` of dbt, which are larger than any
    /// statement: a project of a few thousand models comes to 50 MB with about two million
    /// values. At the most they cost half a gigabyte while they are read.
    pub const DBT: Self = Self {
        document_bytes: 128 << 20,
        values: 4_000_000,
        ..Self::DEFAULT
    };
}
