//! Cycles, and the order that a lineage without one has.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::{Lineage, Link, Producer};
use crate::report::{Check, Outcome};

/// Stages named in the message about a cycle.
const MOST_NAMED: usize = 8;

/// Finds cycles. One that could be avoided, because an input has other possible producers or
/// the same data is attested twice, loses the doubtful links; any other is a contradiction.
pub(super) fn resolve(lineage: &mut Lineage) {
    let cycles = components(lineage);
    if cycles.is_empty() {
        return;
    }
    let member = members(lineage, &cycles);
    let doubtful = lineage
        .links
        .iter()
        .enumerate()
        .filter(|(_, link)| match link.producer {
            Producer::Stage(producer) if !link.certain => {
                member[producer].is_some() && member[producer] == member[link.reader]
            }
            _ => false,
        });
    let doubtful: BTreeSet<_> = doubtful.map(|(index, _)| index).collect();
    drop_links(lineage, &doubtful);
    for cycle in components(lineage) {
        let path = path_around(lineage, &cycle);
        let named = path.iter().take(MOST_NAMED);
        let named: Vec<_> = named.map(|stage| name(lineage, *stage)).collect();
        let more = match path.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" → {more} more"),
        };
        let first = name(lineage, path[0]);
        let message = format!("a cycle: {}{more} → {first}", named.join(" → "));
        lineage
            .checks
            .push(Check::new("L2.V.9", Outcome::Fail, "", message));
    }
}

fn name(lineage: &Lineage, stage: usize) -> String {
    let stage = &lineage.stages[stage];
    let names: Vec<_> = stage.names().take(2).collect();
    format!("{:?} (sha256:{})", names.join(", "), stage.id)
}

/// Takes doubtful links out; an input that is left without any has no producer.
fn drop_links(lineage: &mut Lineage, dropped: &BTreeSet<usize>) {
    let mut left: HashMap<_, usize> = HashMap::new();
    for (index, link) in lineage.links.iter().enumerate() {
        *left.entry((link.reader, link.input)).or_default() +=
            usize::from(!dropped.contains(&index));
    }
    let links = std::mem::take(&mut lineage.links);
    for (index, link) in links.into_iter().enumerate() {
        if !dropped.contains(&index) {
            lineage.links.push(link);
            continue;
        }
        if let Producer::Stage(producer) = link.producer {
            let reader = lineage.stages[link.reader].id;
            let path = format!("sha256:{reader}/predicate.inputs[{}]", link.input);
            let producer = name(lineage, producer);
            let message = format!("cannot come from {producer}, which was made of it in turn");
            lineage
                .checks
                .push(Check::new("L2.V.9", Outcome::Warn, &path, message));
        }
        let left = left.entry((link.reader, link.input)).or_default();
        if *left == 0 {
            *left = 1;
            let producer = Producer::Missing;
            lineage.links.push(Link {
                producer,
                certain: true,
                ..link
            });
        }
    }
}

/// For each stage, the component that it is in.
fn members(lineage: &Lineage, components: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut member = vec![None; lineage.stages.len()];
    for (index, component) in components.iter().enumerate() {
        for stage in component {
            member[*stage] = Some(index);
        }
    }
    member
}

/// Producers of each stage.
fn producers(lineage: &Lineage) -> Vec<Vec<usize>> {
    let mut producers = vec![Vec::new(); lineage.stages.len()];
    for link in &lineage.links {
        if let Producer::Stage(producer) = link.producer {
            producers[link.reader].push(producer);
        }
    }
    producers
}

/// Strongly connected components that hold a cycle (Tarjan's algorithm, without recursion: a
/// lineage may be a hundred thousand stages deep).
fn components(lineage: &Lineage) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let producers = producers(lineage);
    let count = producers.len();
    let (mut index, mut low) = (vec![NEW; count], vec![0; count]);
    let mut on_stack = vec![false; count];
    let (mut stack, mut found) = (Vec::new(), Vec::new());
    let mut next = 0;
    for start in 0..count {
        if index[start] != NEW {
            continue;
        }
        let mut calls = vec![(start, 0)];
        while let Some((stage, at)) = calls.pop() {
            if at == 0 {
                (index[stage], low[stage]) = (next, next);
                next += 1;
                stack.push(stage);
                on_stack[stage] = true;
            }
            match producers[stage].get(at) {
                Some(producer) => {
                    calls.push((stage, at + 1));
                    if index[*producer] == NEW {
                        calls.push((*producer, 0));
                    } else if on_stack[*producer] {
                        low[stage] = low[stage].min(index[*producer]);
                    }
                }
                None => {
                    if low[stage] == index[stage] {
                        let mut component = Vec::new();
                        while let Some(member) = stack.pop() {
                            on_stack[member] = false;
                            component.push(member);
                            if member == stage {
                                break;
                            }
                        }
                        if component.len() > 1 || producers[stage].contains(&stage) {
                            component.sort_unstable();
                            found.push(component);
                        }
                    }
                    if let Some((caller, _)) = calls.last() {
                        low[*caller] = low[*caller].min(low[stage]);
                    }
                }
            }
        }
    }
    found
}

/// A way from the first stage of a component back to itself.
fn path_around(lineage: &Lineage, component: &[usize]) -> Vec<usize> {
    let producers = producers(lineage);
    let inside: BTreeSet<_> = component.iter().copied().collect();
    let start = component[0];
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(stage) = queue.pop_front() {
        for producer in producers[stage].iter().filter(|p| inside.contains(p)) {
            if *producer == start {
                let mut path = vec![stage];
                while path.last() != Some(&start) {
                    let last = path.last().copied().unwrap_or(start);
                    path.push(came_from.get(&last).copied().unwrap_or(start));
                }
                path.reverse();
                return path;
            }
            if !came_from.contains_key(producer) {
                came_from.insert(*producer, stage);
                queue.push_back(*producer);
            }
        }
    }
    vec![start]
}

/// The stages, each after its producers; equals by name and id. Empty when there is a cycle.
pub(super) fn in_order(lineage: &Lineage) -> Vec<usize> {
    let producers = producers(lineage);
    let mut open: Vec<_> = producers.iter().map(Vec::len).collect();
    let mut readers = vec![Vec::new(); producers.len()];
    for (reader, producers) in producers.iter().enumerate() {
        for producer in producers {
            readers[*producer].push(reader);
        }
    }
    let key = |stage: usize| {
        let it = &lineage.stages[stage];
        let name = it.names().next().unwrap_or_default().to_owned();
        (name, it.id, stage)
    };
    let mut ready: BTreeSet<_> = (0..open.len()).filter(|s| open[*s] == 0).map(key).collect();
    let mut order = Vec::with_capacity(open.len());
    while let Some((_, _, stage)) = ready.pop_first() {
        order.push(stage);
        for reader in &readers[stage] {
            open[*reader] -= 1;
            if open[*reader] == 0 {
                ready.insert(key(*reader));
            }
        }
    }
    match order.len() == open.len() {
        true => order,
        false => Vec::new(),
    }
}
