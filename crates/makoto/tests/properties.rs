//! Properties of the reader, the writer and the record tree, over generated values.

use makoto::canonical::to_canonical;
use makoto::digest::Digest;
use makoto::json::Json;
use makoto::limits::Limits;
use makoto::merkle::{
    Range, consistency_proof, inclusion_proof, leaf_hash, node_hash, root_of, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::*;

fn parse(text: &[u8]) -> Result<Json, makoto::json::ReadError> {
    Json::parse(text, &Limits::DEFAULT)
}

/// JSON text with white space, escapes and number forms that a writer would not choose.
fn json_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i32>().prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(|n| format!("{n:e}")),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ];
    let string = prop::collection::vec(
        prop_oneof![
            "[a-z0-9 ]{1,4}",
            any::<char>().prop_map(|c| match c {
                '"' | '\\' | '\0'..='\x1f' => format!("\\u{:04X}", c as u32),
                _ => c.to_string(),
            }),
            Just("\\n".to_owned()),
            Just("\\/".to_owned()),
            Just("\\ud83d\\uDE00".to_owned()),
        ],
        0..4,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()));
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        number,
        string.clone(),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let array = prop::collection::vec(inner.clone(), 0..5)
            .prop_map(|items| format!("[ {}\n]", items.join(" ,")));
        let members = prop::collection::vec((string.clone(), inner), 0..5);
        let object = members.prop_map(|members| {
            let member = |(key, value): &(String, String)| format!("{key} :\t{value}");
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![array, object]
    })
}

fn has_duplicate_key(error: &makoto::json::ReadError) -> bool {
    matches!(error.fault, makoto::json::Fault::DuplicateKey(_))
}

proptest! {
    #[test]
    fn what_is_read_is_written_and_read_back_as_the_same(text in json_text()) {
        match parse(text.as_bytes()) {
            Ok(value) => {
                prop_assert_eq!(&parse(value.to_string().as_bytes()).expect("our text"), &value);
                prop_assert_eq!(&parse(format!("{value:#}").as_bytes()).expect("our text"), &value);
                if let Ok(canonical) = to_canonical(&value) {
                    let again = parse(&canonical).expect("canonical form is JSON");
                    prop_assert_eq!(to_canonical(&again).expect("canonical again"), canonical);
                }
            }
            // The generator may name a key twice; nothing else of it is wrong.
            Err(error) => prop_assert!(has_duplicate_key(&error), "{}: {}", text, error),
        }
    }

    #[test]
    fn the_reader_agrees_with_another_on_what_is_json(text in "[\\[\\]{}\",:0-9eE.+\\- \\\\untrfalse]{0,24}") {
        let ours = parse(text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let stricter = ours.as_ref().err().is_some_and(has_duplicate_key);
        // The other reader refuses numbers that no double holds; ours keeps their text.
        let looser = theirs.as_ref().err().is_some_and(|e| e.to_string().contains("out of range"));
        prop_assert!(ours.is_ok() == theirs.is_ok() || stricter || looser, "{}: {:?} {:?}", text, ours, theirs);
    }

    #[test]
    fn a_cut_or_changed_document_is_refused_or_means_something_else(text in json_text(), at in any::<prop::sample::Index>()) {
        prop_assume!(parse(text.as_bytes()).is_ok());
        let whole = text.trim_end().as_bytes();
        let cut = &whole[..at.index(whole.len())];
        if let Ok(shorter) = parse(cut) {
            prop_assert_ne!(Some(shorter), parse(whole).ok());
        }
    }

    #[test]
    fn the_root_does_not_depend_on_how_the_leaves_were_grouped(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let leaves: Vec<_> = records.iter().map(|record| leaf_hash(record)).collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(leaves.len() + 1)).collect();
        cuts.extend([0, leaves.len()]);
        cuts.sort_unstable();
        let mut whole = Range::starting_at(0);
        for pair in cuts.windows(2) {
            let mut part = Range::starting_at(pair[0] as u64);
            leaves[pair[0]..pair[1]].iter().for_each(|leaf| part.push(*leaf));
            whole.append(&part).expect("neighbours");
        }
        prop_assert_eq!(whole.root(), by_definition(&leaves));
    }

    #[test]
    fn every_proof_holds_and_no_neighbour_of_it_does(
        size in 1_usize..80,
        index in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        bit in 0_usize..256,
    ) {
        let leaves: Vec<_> = (0..size).map(|n| leaf_hash(&n.to_le_bytes())).collect();
        let root = root_of(&leaves);
        let index = index.index(size);
        let proof = inclusion_proof(&leaves, index).expect("in the tree");
        let check = |proof: &[Digest], index: usize, size: usize, leaf: &Digest| {
            verify_inclusion(leaf, index as u64, size as u64, proof, &root).is_ok()
        };
        prop_assert!(check(&proof, index, size, &leaves[index]));
        prop_assert!(!check(&proof, index, size, &leaf_hash(b"another")));
        prop_assert!(!check(&proof, size, size, &leaves[index]));
        prop_assert!(!check(&[proof.as_slice(), &[root]].concat(), index, size, &leaves[index]));
        if !proof.is_empty() {
            let at = other.index(proof.len());
            let mut changed = proof.clone();
            let mut bytes = *changed[at].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            changed[at] = Digest::from(bytes);
            prop_assert!(!check(&changed, index, size, &leaves[index]));
            prop_assert!(!check(&proof[1..], index, size, &leaves[index]));
        }
        let older = other.index(size) + 1;
        let older_root = root_of(&leaves[..older]);
        let proof = consistency_proof(&leaves, older).expect("a beginning");
        let check = |proof: &[Digest]| {
            verify_consistency(older as u64, size as u64, proof, &older_root, &root).is_ok()
        };
        prop_assert!(check(&proof));
        prop_assert!(!check(&[proof.as_slice(), &[root]].concat()));
        prop_assert!(proof.is_empty() || !check(&proof[1..]));
    }
}

/// RFC 6962 §2.1, word for word.
fn by_definition(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while 2 * k < leaves.len() {
                k *= 2;
            }
            node_hash(&by_definition(&leaves[..k]), &by_definition(&leaves[k..]))
        }
    }
}
