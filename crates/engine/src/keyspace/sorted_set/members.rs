//! Where members and their scores are stored, each once, under a number that stays as long as the member does.
//!
//! Entries live in pages of 256, so growing never copies what is there, and an emptied page is given back.
//! New entries go to the lowest page with room. A removal returns nothing by itself when every page keeps a few
//! survivors; then `evacuee` names an entry of the last page that is worth moving down.
//! Next: `index.rs` (member to number), `tree/mod.rs` (numbers in order), `large.rs` (who keeps them in step).

use super::member::Member;

const PAGE: usize = 256;
/// Ends a page's list of free slots.
const NONE: u16 = u16::MAX;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) score: f64,
    member: Member,
}

#[derive(Clone, Debug)]
struct Page {
    slots: Vec<Entry>,
    vacant: u16,
    live: u16,
}

#[derive(Debug, Default)]
pub(super) struct Members {
    pages: Vec<Page>,
    /// One bit per page: it has room.
    open: Vec<u64>,
    /// No word of `open` before this one has a bit set.
    first_open: usize,
    live: usize,
    /// Slots allocated in all pages.
    slots: usize,
    /// Heap bytes of the long members.
    heap: usize,
}

impl Members {
    pub(super) fn len(&self) -> usize {
        self.live
    }

    #[inline]
    pub(super) fn entry(&self, id: u32) -> Option<&Entry> {
        let (page, slot) = place(id);
        self.pages.get(page)?.slots.get(slot)
    }

    /// The member's bytes; empty for a number that is not in use.
    #[inline]
    pub(super) fn member(&self, id: u32) -> &[u8] {
        self.entry(id)
            .map(|entry| entry.member.as_slice())
            .unwrap_or_default()
    }

    #[inline]
    pub(super) fn score(&self, id: u32) -> f64 {
        self.entry(id).map_or(0.0, |entry| entry.score)
    }

    pub(super) fn set_score(&mut self, id: u32, score: f64) {
        let (page, slot) = place(id);
        if let Some(entry) = self.pages.get_mut(page).and_then(|page| page.slots.get_mut(slot)) {
            entry.score = score;
        }
    }

    pub(super) fn insert(&mut self, member: &[u8], score: f64) -> u32 {
        let member = Member::new(member);
        self.heap += member.heap();
        self.place(Entry { score, member })
    }

    fn place(&mut self, entry: Entry) -> u32 {
        let number = self.page_with_room();
        let alone = self.pages.len() == 1;
        let Some(page) = self.pages.get_mut(number) else {
            return u32::MAX;
        };
        let slot = match page.slots.get_mut(usize::from(page.vacant)) {
            Some(vacant) => {
                let slot = usize::from(page.vacant);
                page.vacant = match vacant.member {
                    Member::Vacant(next) => next,
                    _ => NONE,
                };
                *vacant = entry;
                slot
            }
            None => {
                if page.slots.len() == page.slots.capacity() {
                    // A lone page is a set just grown out of its packed form: do not quadruple its memory.
                    let step = (PAGE - page.slots.len()).min(if alone { 64 } else { PAGE });
                    page.slots.reserve_exact(step);
                    self.slots += step;
                }
                page.slots.push(entry);
                page.slots.len() - 1
            }
        };
        page.live += 1;
        self.live += 1;
        if usize::from(page.live) == PAGE {
            self.set_open(number, false);
        }
        number_of(number, slot)
    }

    /// The entry must be in use.
    pub(super) fn remove(&mut self, id: u32) -> Option<Box<[u8]>> {
        let entry = self.take(id)?;
        self.heap -= entry.member.heap();
        Some(entry.member.into_boxed())
    }

    /// Moves an entry to the lowest free slot and returns its new number.
    pub(super) fn relocate(&mut self, id: u32) -> Option<u32> {
        let entry = self.take(id)?;
        Some(self.place(entry))
    }

    fn take(&mut self, id: u32) -> Option<Entry> {
        let (number, slot) = place(id);
        let page = self.pages.get_mut(number)?;
        let entry = page
            .slots
            .get_mut(slot)
            .filter(|entry| !entry.member.is_vacant())?;
        let vacated = Entry {
            score: 0.0,
            member: Member::Vacant(page.vacant),
        };
        let taken = std::mem::replace(entry, vacated);
        page.vacant = slot as u16;
        page.live -= 1;
        self.live -= 1;
        if page.live == 0 {
            self.slots -= page.slots.capacity();
            *page = Page::empty();
        }
        self.set_open(number, true);
        self.drop_empty_tail();
        Some(taken)
    }

    /// An entry of the last page, if so little is left in all pages that moving entries down pays.
    ///
    /// A third of the slots in use is the balance at which one move per removal gives memory back as fast as
    /// entries go.
    pub(super) fn evacuee(&self) -> Option<u32> {
        if self.slots <= 3 * self.live + 2 * PAGE {
            return None;
        }
        let page = self.pages.last()?;
        let slot = page.slots.iter().rposition(|entry| !entry.member.is_vacant())?;
        Some(number_of(self.pages.len() - 1, slot))
    }

    /// The first number above every number in use.
    pub(super) fn end(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// The highest number in use below `end`, with how many slots had to be looked at.
    pub(super) fn below(&self, end: usize) -> Option<(u32, usize)> {
        let mut looked = 0;
        let mut page = end.div_ceil(PAGE).min(self.pages.len());
        let mut upto = if page * PAGE <= end { PAGE } else { end % PAGE };
        while page > 0 {
            page -= 1;
            let slots = self
                .pages
                .get(page)
                .map(|page| page.slots.as_slice())
                .unwrap_or_default();
            for (slot, entry) in slots.iter().enumerate().take(upto).rev() {
                looked += 1;
                if !entry.member.is_vacant() {
                    return Some((number_of(page, slot), looked));
                }
            }
            looked += 1;
            upto = PAGE;
        }
        None
    }

    pub(super) fn memory(&self) -> usize {
        self.pages.capacity() * size_of::<Page>()
            + self.open.capacity() * size_of::<u64>()
            + self.slots * size_of::<Entry>()
            + self.heap
    }

    fn page_with_room(&mut self) -> usize {
        while let Some(word) = self.open.get(self.first_open) {
            if *word != 0 {
                return self.first_open * 64 + word.trailing_zeros() as usize;
            }
            self.first_open += 1;
        }
        self.pages.push(Page::empty());
        self.set_open(self.pages.len() - 1, true);
        self.pages.len() - 1
    }

    fn set_open(&mut self, page: usize, open: bool) {
        let word = page / 64;
        if word >= self.open.len() {
            self.open.resize(word + 1, 0);
        }
        if open {
            self.first_open = self.first_open.min(word);
        }
        if let Some(bits) = self.open.get_mut(word) {
            let bit = 1 << (page % 64);
            *bits = if open { *bits | bit } else { *bits & !bit };
        }
    }

    fn drop_empty_tail(&mut self) {
        while self.pages.last().is_some_and(|page| page.live == 0) {
            self.pages.pop();
            self.set_open(self.pages.len(), false);
        }
        if self.pages.capacity() > 4 * self.pages.len() + 64 {
            self.pages.shrink_to(2 * self.pages.len());
        }
    }

    fn count_slots(&self) -> usize {
        self.pages.iter().map(|page| page.slots.capacity()).sum()
    }

    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        let heap: usize = self
            .pages
            .iter()
            .flat_map(|page| &page.slots)
            .map(|entry| entry.member.heap())
            .sum();
        let live = self
            .pages
            .iter()
            .flat_map(|page| &page.slots)
            .filter(|entry| !entry.member.is_vacant());
        assert_eq!(live.count(), self.live);
        self.pages.capacity() * size_of::<Page>()
            + self.open.capacity() * size_of::<u64>()
            + self.count_slots() * size_of::<Entry>()
            + heap
    }
}

/// A copied vector has no spare capacity, so what is held is counted anew.
impl Clone for Members {
    fn clone(&self) -> Self {
        let mut copy = Self {
            pages: self.pages.clone(),
            open: self.open.clone(),
            ..*self
        };
        copy.slots = copy.count_slots();
        copy
    }
}

impl Page {
    fn empty() -> Self {
        Self {
            slots: Vec::new(),
            vacant: NONE,
            live: 0,
        }
    }
}

fn place(id: u32) -> (usize, usize) {
    (id as usize / PAGE, id as usize % PAGE)
}

/// Numbers are 32 bits wide: four thousand million members need more memory than a set may take.
fn number_of(page: usize, slot: usize) -> u32 {
    (page * PAGE + slot) as u32
}
