//! Reading datasets: files and folders become digests and records, and the attestations that
//! lie beside them are found and written.
//!
//! What a dataset must look like is decided in `makoto`; this crate opens, reads and writes.
//! Everything is read in one pass with bounded memory, and read again when it moved meanwhile
//! is an error, never a digest.

mod catalog;
mod config_file;
mod crew;
mod each;
mod error;
mod file;
mod folder;
mod group;
mod inflate;
mod key_set_memory;
mod library;
mod listed;
mod new_file;
mod package;
mod pipeline;
mod place;
mod rows;
mod shelf;
mod sidecar;
mod store;
mod stream;
mod table;

pub use catalog::{Catalog, Found};
pub use config_file::{
    ConfigFile, ConfigFileError, Search, Stopped, find_config, place_of, read_config,
};
pub use crew::share_out;
pub use each::{each_file, is_about_data};
pub use error::{DataError, FileKind};
pub use file::{
    FileDigest, Fingerprint, apparent_compression, digest_file, entry_fingerprint, fingerprint,
};
pub use folder::{
    FolderDigest, FolderFile, Links, Listing, digest_folder, folder_files, list_folder, member_path,
};
pub use group::{MOST, Pending, write_group};
pub use key_set_memory::{KeySetMemory, MemoryError};
pub use listed::{ListedDigest, Missing, count_unlisted, digest_listed};
pub use new_file::NewFile;
pub use package::{
    ATTESTATION, Dataset, MemberDigest, Package, PackageError, PackageTrust, PackageTrustError,
    PackageWriter, further_name,
};
pub use place::{Located, Place};
pub use shelf::{Recursion, Shelf};
pub use sidecar::{
    Existing, Outcome, Sidecar, SidecarError, Written, attestation_path, lock_folder,
    manifest_path, plan_manifest, read_limited, read_manifest, write_manifest,
};
pub use store::{Kept, Store, StoreError, Stored, one_line};
pub use stream::{Stream, StreamDigest};
pub use table::{Snapshots, digest_table, snapshots};

/// Is told how many more bytes were read.
pub type Progress<'a> = dyn Fn(u64) + Sync + 'a;
