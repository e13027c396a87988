//! The record tree: a Merkle tree as in RFC 6962 §2.1.
//!
//! Leaf = SHA-256(0x00 ‖ record), node = SHA-256(0x01 ‖ left ‖ right), empty tree =
//! SHA-256(""). The prefixes keep a node from passing as a record; odd nodes move up
//! unchanged and are never duplicated, so `[a,b,c]` and `[a,b,c,c]` differ (CVE-2012-2459).

use crate::digest::{Digest, Hasher};

/// Hash of a leaf.
pub fn leaf_hash(record: &[u8]) -> Digest {
    LeafHasher::new().hash(record)
}

/// Hashes many leaves.
///
/// Records of ordinary length go through one call of the backend, by a buffer that has their
/// prefix in place already: setting up a context costs as much as hashing a hundred bytes.
#[derive(Debug, Clone)]
pub struct LeafHasher {
    buffer: [u8; 512],
}

impl LeafHasher {
    /// One for any records.
    pub fn new() -> Self {
        Self { buffer: [0; 512] }
    }

    /// Hash of the leaf of `record`.
    pub fn hash(&mut self, record: &[u8]) -> Digest {
        match self.buffer.get_mut(1..=record.len()) {
            Some(body) => {
                body.copy_from_slice(record);
                Digest::of(&self.buffer[..=record.len()])
            }
            None => {
                let mut hasher = Hasher::new();
                hasher.update(&[0]);
                hasher.update(record);
                hasher.finish()
            }
        }
    }
}

impl Default for LeafHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Hash of an inner node.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut buffer = [1; 65];
    buffer[1..33].copy_from_slice(left.as_bytes());
    buffer[33..].copy_from_slice(right.as_bytes());
    Digest::of(&buffer)
}

/// Root of a tree without leaves.
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// A run of consecutive leaves, held as the few perfect subtrees that cover it.
///
/// Costs about 2 × log₂(leaves) hashes of memory. Ranges over neighbouring runs can be built
/// on different threads and appended afterwards; the root is the same as leaf by leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    begin: u64,
    end: u64,
    /// Roots of perfect subtrees with their heights, left to right.
    subtrees: Vec<(u32, Digest)>,
}

/// Two ranges that are not neighbours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("range of leaves ends at {end}, the next begins at {begin}")]
pub struct Gap {
    /// End of the left range.
    pub end: u64,
    /// Begin of the right range.
    pub begin: u64,
}

impl Range {
    /// An empty range whose first leaf will have index `begin`.
    pub fn starting_at(begin: u64) -> Self {
        Self {
            begin,
            end: begin,
            subtrees: Vec::new(),
        }
    }

    /// Number of leaves.
    pub fn len(&self) -> u64 {
        self.end - self.begin
    }

    /// Whether there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Digest) {
        self.push_subtree(0, leaf);
    }

    /// Appends the range of the leaves that follow.
    ///
    /// # Errors
    /// [`Gap`] when `next` does not begin where this one ends.
    pub fn append(&mut self, next: &Self) -> Result<(), Gap> {
        if next.begin != self.end {
            return Err(Gap {
                end: self.end,
                begin: next.begin,
            });
        }
        for (height, root) in &next.subtrees {
            self.push_subtree(*height, *root);
        }
        Ok(())
    }

    /// Root of the tree over the leaves of this range; [`empty_root`] when there are none.
    ///
    /// It is the root of the record tree when the range begins at leaf 0.
    pub fn root(&self) -> Digest {
        let mut from_the_right = self.subtrees.iter().rev().map(|(_, root)| *root);
        match from_the_right.next() {
            Some(last) => from_the_right.fold(last, |right, left| node_hash(&left, &right)),
            None => empty_root(),
        }
    }

    fn push_subtree(&mut self, mut height: u32, mut root: Digest) {
        self.end += 1 << height;
        // A sibling pair is complete when its parent ends here and begins inside the range.
        while self.end.trailing_zeros() > height
            && self
                .end
                .checked_sub(2 << height)
                .is_some_and(|b| b >= self.begin)
        {
            let Some((_, left)) = self.subtrees.pop() else {
                break;
            };
            root = node_hash(&left, &root);
            height += 1;
        }
        self.subtrees.push((height, root));
    }
}

/// A proof that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf in a tree of this size.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    NoSuchLeaf {
        /// Index of the leaf.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The older tree is empty or larger than the newer one.
    #[error("a tree of {older} leaves is not a beginning of one of {newer}")]
    NotABeginning {
        /// Leaves in the older tree.
        older: u64,
        /// Leaves in the newer tree.
        newer: u64,
    },
    /// The proof has too few or too many hashes for these sizes.
    #[error("proof has {found} hashes, needs {needed}")]
    WrongLength {
        /// Hashes in the proof.
        found: usize,
        /// Hashes that the sizes ask for.
        needed: usize,
    },
    /// The hashes lead to another root.
    #[error("proof leads to root {found}, the tree has {needed}")]
    WrongRoot {
        /// Root that the proof leads to.
        found: Digest,
        /// Root it should lead to.
        needed: Digest,
    },
}

/// Checks that `leaf` is leaf number `index` of the tree of `size` leaves with root `root`.
///
/// Follows RFC 9162 §2.1.3.2, whose trees are those of RFC 6962.
///
/// # Errors
/// [`ProofError`] says in which way the proof does not hold.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    // Below `inner` the path has a sibling at every level; above, only left ones.
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    let (inner, border) = (inner as usize, border as usize);
    check_length(proof, inner + border)?;
    let mut hash = *leaf;
    for (level, sibling) in proof.iter().enumerate() {
        let from_the_left = level >= inner || index >> level & 1 == 1;
        hash = if from_the_left {
            node_hash(sibling, &hash)
        } else {
            node_hash(&hash, sibling)
        };
    }
    check_root(&hash, root)
}

/// Checks that the tree of `older` leaves with `older_root` is the beginning of the tree of
/// `newer` leaves with `newer_root` (RFC 9162 §2.1.4.2).
///
/// # Errors
/// [`ProofError`] says in which way the proof does not hold. An empty older tree is refused:
/// it is a beginning of everything, so a proof of it says nothing.
pub fn verify_consistency(
    older: u64,
    newer: u64,
    proof: &[Digest],
    older_root: &Digest,
    newer_root: &Digest,
) -> Result<(), ProofError> {
    if older == 0 || older > newer {
        return Err(ProofError::NotABeginning { older, newer });
    }
    if older == newer {
        check_length(proof, 0)?;
        return check_root(older_root, newer_root);
    }
    // The last perfect subtree of the older tree is where both walks start; when it is the
    // whole older tree its root need not be sent.
    let start_level = older.trailing_zeros();
    let mut index = (older - 1) >> start_level;
    let mut last = (newer - 1) >> start_level;
    let (seed, path) = if older.is_power_of_two() {
        (*older_root, proof)
    } else {
        match proof.split_first() {
            Some((first, path)) => (*first, path),
            None => {
                return Err(ProofError::WrongLength {
                    found: 0,
                    needed: 1,
                });
            }
        }
    };
    let mut old_hash = seed;
    let mut new_hash = seed;
    let mut siblings = path.iter();
    let mut missing = 0;
    while last > 0 {
        if index & 1 == 1 || index == last {
            match siblings.next() {
                Some(left) => {
                    old_hash = node_hash(left, &old_hash);
                    new_hash = node_hash(left, &new_hash);
                }
                None => missing += 1,
            }
            // Levels at which this is the last, unpaired node pass without a sibling.
            while index & 1 == 0 && index > 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            match siblings.next() {
                Some(right) => new_hash = node_hash(&new_hash, right),
                None => missing += 1,
            }
        }
        index >>= 1;
        last >>= 1;
    }
    let surplus = siblings.len();
    check_length(proof, proof.len() + missing - surplus)?;
    check_root(&old_hash, older_root)?;
    check_root(&new_hash, newer_root)
}

/// Makes the proof that leaf `index` belongs to the tree over `leaves` (hashes of leaves).
///
/// Returns `None` when there is no such leaf.
pub fn inclusion_proof(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let mut proof = Vec::new();
    let (mut rest, mut index) = (leaves, index);
    while rest.len() > 1 {
        let (left, right) = rest.split_at(left_half(rest.len()));
        if index < left.len() {
            proof.push(root_of(right));
            rest = left;
        } else {
            proof.push(root_of(left));
            index -= left.len();
            rest = right;
        }
    }
    proof.reverse();
    Some(proof)
}

/// Makes the proof that the first `older` of `leaves` (hashes of leaves) are their beginning.
///
/// Returns `None` when `older` is 0 or larger than the number of leaves.
pub fn consistency_proof(leaves: &[Digest], older: usize) -> Option<Vec<Digest>> {
    if older == 0 || older > leaves.len() {
        return None;
    }
    let mut proof = Vec::new();
    let (mut rest, mut older, mut whole) = (leaves, older, true);
    while older < rest.len() {
        let (left, right) = rest.split_at(left_half(rest.len()));
        if older <= left.len() {
            proof.push(root_of(right));
            rest = left;
        } else {
            proof.push(root_of(left));
            older -= left.len();
            rest = right;
            whole = false;
        }
    }
    if !whole {
        proof.push(root_of(rest));
    }
    proof.reverse();
    Some(proof)
}

/// Root of the tree over `leaves` (hashes of leaves).
pub fn root_of(leaves: &[Digest]) -> Digest {
    let mut range = Range::starting_at(0);
    leaves.iter().for_each(|leaf| range.push(*leaf));
    range.root()
}

/// Largest power of two below `count`, for `count` > 1: the split of RFC 6962 §2.1.
fn left_half(count: usize) -> usize {
    1 << (usize::BITS - 1 - (count - 1).leading_zeros())
}

fn check_length(proof: &[Digest], needed: usize) -> Result<(), ProofError> {
    if proof.len() == needed {
        return Ok(());
    }
    Err(ProofError::WrongLength {
        found: proof.len(),
        needed,
    })
}

fn check_root(found: &Digest, needed: &Digest) -> Result<(), ProofError> {
    if found == needed {
        return Ok(());
    }
    Err(ProofError::WrongRoot {
        found: *found,
        needed: *needed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count)
            .map(|n| leaf_hash(format!("record {n}").as_bytes()))
            .collect()
    }

    #[test]
    fn a_duplicated_last_record_changes_the_root() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|record| leaf_hash(record));
        assert_ne!(root_of(&[a, b, c]), root_of(&[a, b, c, c]));
    }

    #[test]
    fn a_node_cannot_pass_as_a_leaf() {
        let leaves = leaves(4);
        let left = node_hash(&leaves[0], &leaves[1]);
        let right = node_hash(&leaves[2], &leaves[3]);
        let root = root_of(&leaves);
        let forged = [*leaves[0].as_bytes(), *leaves[1].as_bytes()].concat();
        assert_ne!(leaf_hash(&forged), left);
        assert!(verify_inclusion(&leaf_hash(&forged), 0, 2, &[right], &root).is_err());
    }

    #[test]
    fn long_and_short_records_are_hashed_alike() {
        for length in [0, 1, 510, 511, 512, 513, 5000] {
            let record = vec![7; length];
            assert_eq!(
                leaf_hash(&record),
                Digest::of(&[&[0], record.as_slice()].concat())
            );
        }
    }

    #[test]
    fn ranges_built_apart_have_the_root_of_one_built_at_once() {
        let leaves = leaves(70);
        for first in 0..=70 {
            for second in first..=70 {
                let mut whole = Range::starting_at(0);
                for (begin, end) in [(0, first), (first, second), (second, 70)] {
                    let mut part = Range::starting_at(begin as u64);
                    leaves[begin..end].iter().for_each(|leaf| part.push(*leaf));
                    whole.append(&part).expect("neighbours");
                }
                assert_eq!(whole.root(), root_of(&leaves), "{first} {second}");
                assert_eq!(whole.len(), 70);
            }
        }
        let far = Range::starting_at(3);
        assert_eq!(
            Range::starting_at(0).append(&far),
            Err(Gap { end: 0, begin: 3 })
        );
    }

    #[test]
    fn every_proof_holds_for_its_own_leaf_and_tree_only() {
        for size in 1..=20 {
            let leaves = leaves(size);
            let root = root_of(&leaves);
            for index in 0..size {
                let proof = inclusion_proof(&leaves, index).expect("in the tree");
                for (claimed, leaf) in leaves.iter().enumerate() {
                    let holds =
                        verify_inclusion(leaf, claimed as u64, size as u64, &proof, &root).is_ok();
                    assert_eq!(holds, claimed == index, "{size} {index} {claimed}");
                }
            }
            for older in 1..=size {
                let proof = consistency_proof(&leaves, older).expect("a beginning");
                let older_root = root_of(&leaves[..older]);
                let check = |proof: &[Digest], older_root: &Digest| {
                    verify_consistency(older as u64, size as u64, proof, older_root, &root)
                };
                assert_eq!(check(&proof, &older_root), Ok(()), "{older} {size}");
                assert!(check(&proof, &leaf_hash(b"other")).is_err());
                assert!(check(&[proof.as_slice(), &[root]].concat(), &older_root).is_err());
                for at in 0..proof.len() {
                    let mut shorter = proof.clone();
                    shorter.remove(at);
                    assert!(check(&shorter, &older_root).is_err());
                    let mut changed = proof.clone();
                    changed[at] = leaf_hash(b"other");
                    assert!(check(&changed, &older_root).is_err());
                }
            }
        }
    }
}
