//! Which page of a list is shown, and the links to the pages beside it.

use axum::http::Uri;
use url::form_urlencoded;

use super::shown::Count;
use tarn_store::metadata::Window;

/// How many entries a page of a list has.
pub(crate) const PAGE: u32 = 30;

/// The number of a page, counted from 1, as `page` in the query of a request says it; 1 if it isn't a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageNumber(u32);

/// The links to other pages of a list: pages.html.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pager {
    number: u32,
    size: u32,
    total: u64,
    /// What is listed, one and several.
    nouns: (&'static str, &'static str),
    /// What stands before the number in a link.
    before: String,
}

impl PageNumber {
    /// The first page.
    pub(crate) const FIRST: Self = Self(1);

    /// That in the query of an address.
    pub(crate) fn in_query(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let said = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "page");
        let number = said.and_then(|(_, value)| value.parse().ok());
        Self(number.unwrap_or(1).max(1))
    }

    /// Counted from 1.
    pub(crate) fn number(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// What is on this page, where each has `size` entries.
    pub(crate) fn window(self, size: u32) -> Window {
        Window {
            offset: (self.0 - 1).saturating_mul(size),
            limit: size,
        }
    }

    /// Of a list that is in memory, what is on this page.
    pub(crate) fn part_of<T>(self, all: &[T], size: u32) -> &[T] {
        let Window { offset, limit } = self.window(size);
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let rest = all.get(from..).unwrap_or_default();
        rest.get(..most).unwrap_or(rest)
    }

    /// `path` of this page.
    pub(crate) fn of(self, path: &str) -> String {
        format!("{path}{}", self.query())
    }

    fn query(self) -> String {
        match self.0 {
            1 => String::new(),
            number => format!("?page={number}"),
        }
    }
}

impl Pager {
    /// For a page of a list with `total` entries at `path`, base path included, on pages of [`PAGE`].
    pub(crate) fn new(
        number: PageNumber,
        total: u64,
        nouns: (&'static str, &'static str),
        path: &str,
    ) -> Self {
        Self {
            number: number.0,
            size: PAGE,
            total,
            nouns,
            before: format!("{path}?page="),
        }
    }

    /// The same on pages of `size` entries.
    pub(crate) fn of_size(self, size: u32) -> Self {
        Self { size, ..self }
    }

    /// The same with the rest of a query before the number.
    pub(crate) fn keeping(self, query: &str) -> Self {
        let (path, _) = self.before.rsplit_once('?').unwrap_or_default();
        Self {
            before: format!("{path}?{query}&page="),
            ..self
        }
    }

    fn last(&self) -> u64 {
        self.total.div_ceil(u64::from(self.size)).max(1)
    }

    /// Whether the whole list has no entry.
    pub(crate) const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Whether there is another page than this.
    pub(crate) fn is_needed(&self) -> bool {
        self.last() > 1 || self.number > 1
    }

    /// The link to the page before this one, which is the last one for a page behind that.
    pub(crate) fn previous(&self) -> Option<String> {
        let before = u64::from(self.number - 1).min(self.last());
        (before > 0).then(|| self.link(before))
    }

    /// The link to the page behind this one.
    pub(crate) fn next(&self) -> Option<String> {
        let next = u64::from(self.number) + 1;
        (next <= self.last()).then(|| self.link(next))
    }

    fn link(&self, number: u64) -> String {
        format!("{}{number}", self.before)
    }

    /// Where this page is.
    pub(crate) fn place(&self) -> String {
        let noun = if self.total == 1 {
            self.nouns.0
        } else {
            self.nouns.1
        };
        let (number, last) = (Count(u64::from(self.number)), Count(self.last()));
        format!("Page {number} of {last} · {} {noun}", Count(self.total))
    }

    /// What a form of an entry appends to its address so that it returns to this page.
    pub(crate) fn here(&self) -> String {
        PageNumber(self.number).query()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(number: u32, total: u64) -> Pager {
        Pager::new(PageNumber(number), total, ("token", "tokens"), "/t").of_size(50)
    }

    #[test]
    fn each_page_links_to_those_beside_it() {
        for (number, total, previous, next) in [
            (1, 0, None, None),
            (1, 50, None, None),
            (1, 51, None, Some("/t?page=2")),
            (2, 101, Some("/t?page=1"), Some("/t?page=3")),
            (3, 101, Some("/t?page=2"), None),
            // Behind the last one.
            (9, 101, Some("/t?page=3"), None),
            (2, 0, Some("/t?page=1"), None),
        ] {
            let pager = pager(number, total);
            let found = (pager.previous(), pager.next());
            let found = (found.0.as_deref(), found.1.as_deref());
            assert_eq!(found, (previous, next), "{number} of {total}");
            assert_eq!(pager.is_needed(), previous.is_some() || next.is_some());
        }
        assert_eq!(pager(2, 5_001).place(), "Page 2 of 101 · 5,001 tokens");
    }

    #[test]
    fn a_link_keeps_the_rest_of_the_query() {
        let pager = pager(1, 51).keeping("q=a+b");
        assert_eq!(pager.next().as_deref(), Some("/t?q=a+b&page=2"));
    }

    #[test]
    fn a_list_in_memory_is_cut_as_one_in_the_database() {
        let all: Vec<u32> = (0..7).collect();
        for (number, part) in [(1, &all[..3]), (3, &all[6..]), (4, &[]), (u32::MAX, &[])] {
            assert_eq!(PageNumber(number).part_of(&all, 3), part, "{number}");
        }
    }
}
