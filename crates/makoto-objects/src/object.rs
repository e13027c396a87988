//! One object: looked at once, and read in order at exactly that version.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use makoto::limits::Limits;
use object_store::{GetOptions, ObjectStore};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::error::ObjectError;
use crate::store::Store;
use crate::url::ObjectUrl;

/// An object as it was when it was looked at.
#[derive(Debug, Clone)]
pub struct Object {
    url: ObjectUrl,
    bucket: Arc<dyn ObjectStore>,
    size: u64,
    etag: Option<String>,
    runtime: Handle,
}

impl Object {
    /// Looks at the object at `url`.
    ///
    /// # Errors
    /// [`ObjectError`]; also when nothing would say that it changed.
    pub fn open(store: &Store, url: &ObjectUrl) -> Result<Self, ObjectError> {
        let bucket = store.bucket(url)?;
        let options = GetOptions::new()
            .with_head(true)
            .with_version(url.version().map(str::to_owned));
        let looked = store.wait(bucket.get_opts(url.key(), options));
        let meta = looked.map_err(ObjectError::of("looking at", url))?.meta;
        // Where versions are off, S3 calls the only one `null`, and that one can be replaced.
        let version = meta.version.filter(|version| version != "null");
        if version.is_none() && meta.e_tag.is_none() {
            return Err(ObjectError::NotPinned(url.clone()));
        }
        Ok(Self {
            url: url.at(version),
            bucket,
            size: meta.size,
            etag: meta.e_tag,
            runtime: store.handle(),
        })
    }

    /// Its URL, with the version where the store has versions.
    pub fn url(&self) -> &ObjectUrl {
        &self.url
    }

    /// Id of its version, where the store has versions.
    pub fn version(&self) -> Option<&str> {
        self.url.version()
    }

    /// What the store calls its content.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads it from the first byte to the last, some ranges ahead. A read fails when another
    /// object has its place.
    pub fn reader(&self) -> Reader {
        Reader {
            object: self.clone(),
            next: 0,
            ahead: VecDeque::new(),
            current: Bytes::new(),
            is_broken: false,
        }
    }

    async fn get(self, range: Range<u64>) -> Result<Bytes, ObjectError> {
        let what = "reading";
        let wanted = range.end - range.start;
        let options = GetOptions::new()
            .with_range(Some(range))
            .with_version(self.url.version().map(str::to_owned))
            .with_if_match(self.etag.clone());
        let found = self.bucket.get_opts(self.url.key(), options).await;
        let found = found
            .map_err(ObjectError::of(what, &self.url))
            .map_err(ObjectError::while_it_is_read)?;
        // A store that knows no conditions answers all the same.
        if found.meta.e_tag != self.etag || found.meta.size != self.size {
            return Err(ObjectError::Changed(self.url));
        }
        let bytes = found
            .bytes()
            .await
            .map_err(ObjectError::of(what, &self.url))?;
        match bytes.len() as u64 == wanted {
            true => Ok(bytes),
            false => Err(ObjectError::Changed(self.url)),
        }
    }
}

/// Reads an object in order.
#[derive(Debug)]
pub struct Reader {
    object: Object,
    /// First byte that was not asked for yet.
    next: u64,
    ahead: VecDeque<JoinHandle<Result<Bytes, ObjectError>>>,
    current: Bytes,
    /// Whether a read failed. What would come then is not what should.
    is_broken: bool,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_broken {
            return Err(io::Error::other("the object could not be read"));
        }
        while self.current.is_empty() {
            self.ask_ahead();
            let Some(range) = self.ahead.pop_front() else {
                return Ok(0);
            };
            let read = self
                .object
                .runtime
                .block_on(range)
                .map_err(io::Error::other);
            match read.and_then(|read| read.map_err(io::Error::other)) {
                Ok(bytes) => self.current = bytes,
                Err(error) => {
                    self.is_broken = true;
                    self.ahead.iter().for_each(JoinHandle::abort);
                    return Err(error);
                }
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Reader {
    fn ask_ahead(&mut self) {
        let limits = Limits::DEFAULT;
        while self.ahead.len() < limits.ranges_in_flight && self.next < self.object.size {
            let end = self.object.size.min(self.next + limits.range_bytes);
            let range = self.object.clone().get(self.next..end);
            self.ahead.push_back(self.object.runtime.spawn(range));
            self.next = end;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ahead.iter().for_each(JoinHandle::abort);
    }
}
