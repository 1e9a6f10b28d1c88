//! A sorted list that is shared piece by piece: a change copies one piece, everything else stays shared with the
//! snapshots that hold it.

use std::sync::Arc;

/// Entries of a piece before it is cut in two.
const PIECE: usize = 256;

/// A sorted list without equal entries. Clones share all pieces.
#[derive(Clone, Debug)]
pub struct List<T>(Arc<Vec<Arc<Vec<T>>>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Ord + Clone> List<T> {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|piece| piece.iter())
    }

    /// In order, beginning with the first entry for which `before` is false; `before` must hold for a beginning of the
    /// list only. Finding it takes logarithmic time.
    pub fn skip_to(&self, before: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        let first = self.0.partition_point(|piece| piece.last().is_some_and(&before));
        let within = self.0.get(first).map_or(0, |piece| piece.partition_point(&before));
        self.0.iter().skip(first).flat_map(|piece| piece.iter()).skip(within)
    }

    /// Adds an entry; an equal one is replaced.
    pub(super) fn insert(&mut self, entry: T) {
        let pieces = Arc::make_mut(&mut self.0);
        if pieces.is_empty() {
            pieces.push(Arc::new(vec![entry]));
            return;
        }
        let at = pieces.partition_point(|piece| piece.last() < Some(&entry)).min(pieces.len() - 1);
        let piece = Arc::make_mut(&mut pieces[at]);
        match piece.binary_search(&entry) {
            Ok(found) => piece[found] = entry,
            Err(free) => piece.insert(free, entry),
        }
        if piece.len() > PIECE {
            let rest = piece.split_off(PIECE / 2);
            pieces.insert(at + 1, Arc::new(rest));
        }
    }

    /// Removes the entry equal to `entry`, if there is one.
    pub(super) fn remove(&mut self, entry: &T) {
        let at = self.0.partition_point(|piece| piece.last() < Some(entry));
        let Some(found) = self.0.get(at).and_then(|piece| piece.binary_search(entry).ok()) else { return };
        let pieces = Arc::make_mut(&mut self.0);
        let piece = Arc::make_mut(&mut pieces[at]);
        piece.remove(found);
        if piece.is_empty() {
            pieces.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_set_and_clones_do_not_change(
            steps in prop::collection::vec((any::<bool>(), 0u32..2_000), 0..1_500),
            from in 0u32..2_000,
        ) {
            let (mut list, mut model) = (List::default(), BTreeSet::new());
            let mut earlier = None;
            for (at, (add, entry)) in steps.iter().enumerate() {
                if *add { list.insert(*entry); model.insert(*entry); } else { list.remove(entry); model.remove(entry); }
                if at == steps.len() / 2 { earlier = Some((list.clone(), model.clone())); }
            }
            prop_assert!(list.iter().eq(model.iter()));
            prop_assert_eq!(list.len(), model.len());
            prop_assert_eq!(list.is_empty(), model.is_empty());
            prop_assert!(list.skip_to(|entry| *entry < from).eq(model.range(from..)));
            if let Some((list, model)) = earlier {
                prop_assert!(list.iter().eq(model.iter()));
            }
        }
    }
}
