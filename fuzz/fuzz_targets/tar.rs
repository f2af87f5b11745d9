//! A tar archive. However the bytes arrive, the entries are the same.
#![no_main]

use apk::{
    limits::Limits,
    v2::tar::{Entry, Event, TarError, TarReader},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, 13), whole);
});

type Entries = Vec<(Entry, usize)>;

fn read(bytes: &[u8], piece: usize) -> (Entries, Result<(), TarError>) {
    let mut reader = TarReader::new(&Limits::tiny(), 64);
    let mut entries: Entries = Vec::new();
    for piece in bytes.chunks(piece) {
        let result = reader.push(piece, &mut |event| {
            match event {
                Event::Entry(entry) => entries.push((entry.clone(), 0)),
                Event::Content(content) => entries.last_mut().expect("an entry").1 += content.len(),
                Event::EntryEnd => {
                    let (entry, size) = entries.last().expect("an entry");
                    assert_eq!(*size as u64, entry.size);
                }
            }
            Ok::<(), TarError>(())
        });
        if result.is_err() {
            // How much of the content of the last entry was seen may differ.
            entries.iter_mut().for_each(|(_, size)| *size = 0);
            return (entries, result);
        }
    }
    (entries, reader.finish())
}
