//! Which page of a long list this is, and how to get to the others.

use super::words;

/// Jobs on a page.
pub(super) const PAGE: u64 = 50;

/// One page among others. Pages count from 1; an empty list has one page.
#[derive(Clone, Debug)]
pub(super) struct Pager {
    /// `51–100 of 1,234`.
    pub(super) range: String,
    /// `Page 2 of 25`; empty when there is only one.
    pub(super) position: String,
    /// The first page, unless this is it or the one after it.
    pub(super) first: Option<String>,
    /// The page before.
    pub(super) previous: Option<String>,
    /// The page after.
    pub(super) next: Option<String>,
    /// The last page, unless this is it or the one before it.
    pub(super) last: Option<String>,
}

/// Where a page begins.
pub(super) const fn offset(page: u64) -> u64 {
    page.saturating_sub(1).saturating_mul(PAGE)
}

impl Pager {
    /// The page with `shown` of `total` entries; `address` tells where a page is.
    pub(super) fn new(page: u64, shown: u64, total: u64, address: impl Fn(u64) -> String) -> Self {
        let pages = total.div_ceil(PAGE).max(1);
        let range = if shown == 0 {
            format!("none of {}", words::count(total))
        } else {
            let first = offset(page) + 1;
            let last = offset(page) + shown;
            format!(
                "{}–{} of {}",
                words::count(first),
                words::count(last),
                words::count(total)
            )
        };
        Self {
            range,
            position: if pages > 1 || page > 1 {
                format!("Page {} of {}", words::count(page), words::count(pages))
            } else {
                String::new()
            },
            first: (page > 2).then(|| address(1)),
            // A list that became shorter leaves readers behind its end; they are led to what is left.
            previous: (page > 1).then(|| address((page - 1).min(pages))),
            next: (page < pages).then(|| address(page + 1)),
            last: (page + 1 < pages).then(|| address(pages)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pager;

    fn pager(page: u64, shown: u64, total: u64) -> Pager {
        Pager::new(page, shown, total, |page| page.to_string())
    }

    #[test]
    fn pages_lead_to_each_other() {
        let second = pager(2, 50, 1_234);
        assert_eq!(second.range, "51–100 of 1,234");
        assert_eq!(second.position, "Page 2 of 25");
        let links = [second.first, second.previous, second.next, second.last].map(Option::unwrap_or_default);
        assert_eq!(links, ["", "1", "3", "25"]);
        let last = pager(25, 34, 1_234);
        assert_eq!(last.range, "1,201–1,234 of 1,234");
        assert!(last.next.is_none() && last.last.is_none() && last.first.is_some());
    }

    #[test]
    fn a_single_page_needs_no_pager_and_a_page_behind_the_end_leads_back() {
        let only = pager(1, 3, 3);
        assert!(only.position.is_empty() && only.previous.is_none() && only.next.is_none());
        let behind = pager(9, 0, 60);
        assert_eq!(behind.previous.as_deref(), Some("2"));
        assert_eq!(behind.range, "none of 60");
    }
}
