//! Command lines, as tests write them.

/// The words of a command line: a list, or one text in which every space separates two words.
pub trait Line {
    /// The words. Two spaces in a row have an empty word between them.
    fn words(&self) -> Vec<&str>;
}

impl Line for str {
    fn words(&self) -> Vec<&str> {
        match self {
            "" => Vec::new(),
            line => line.split(' ').collect(),
        }
    }
}

impl Line for String {
    fn words(&self) -> Vec<&str> {
        self.as_str().words()
    }
}

impl<Word: AsRef<str>> Line for [Word] {
    fn words(&self) -> Vec<&str> {
        self.iter().map(AsRef::as_ref).collect()
    }
}

impl<Word: AsRef<str>, const COUNT: usize> Line for [Word; COUNT] {
    fn words(&self) -> Vec<&str> {
        self.as_slice().words()
    }
}

impl<Word: AsRef<str>> Line for Vec<Word> {
    fn words(&self) -> Vec<&str> {
        self.as_slice().words()
    }
}
