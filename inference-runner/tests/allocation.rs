//! How much memory the scanner takes for a file: never more than the file justifies. A program of
//! its own, because it counts every allocation.

#![expect(unsafe_code, reason = "an allocator can be counted only by being one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use inference_runner::Limits;
use inference_runner::scan::{Rules, scan};

struct Counted;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator with the arguments as they came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Bytes that scanning `file` held at once, beyond the file.
fn peak(file: &[u8]) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let answer = scan(file, &Rules::of(Limits::DEFAULT, 8));
    drop(answer);
    PEAK.load(Ordering::Relaxed) - before
}

fn varint(mut value: usize, to: &mut Vec<u8>) {
    while value > 0x7f {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn message(field: usize, content: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    varint(field << 3 | 2, &mut message);
    varint(content.len(), &mut message);
    message.extend_from_slice(content);
    message
}

/// A model of one graph with `content`.
fn file(content: &[u8]) -> Vec<u8> {
    let graph = message(7, content);
    [&[8, 8][..], &graph].concat()
}

#[test]
fn memory_is_a_small_multiple_of_the_file() {
    const FEW: usize = 1 << 20;
    let millions = vec![1; 4 << 20];
    let ints = message(5, &message(8, &millions));
    let names = message(1, b"").repeat(2 << 20);
    let hostile = [
        ("packed numbers", file(&message(1, &ints))),
        ("empty names", file(&message(1, &names))),
        ("empty nodes", file(&message(1, b"").repeat(FEW))),
        ("empty tensors", file(&message(5, &[16, 1]).repeat(FEW))),
        ("empty inputs", file(&message(11, b"").repeat(FEW))),
        ("typed numbers", file(&message(5, &message(7, &millions)))),
        (
            "empty typed numbers",
            file(&message(5, &message(7, b"").repeat(FEW))),
        ),
        ("imports", message(8, b"").repeat(FEW)),
    ];
    for (name, file) in hostile {
        let peak = peak(&file);
        let most = 32 * file.len() + (24 << 20);
        assert!(
            peak <= most,
            "{name}: {peak} bytes for a file of {}",
            file.len()
        );
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let honest = std::fs::read(folder.join("tests/models/dense_n2.onnx")).unwrap();
    assert!(peak(&honest) < 64 << 10);
}
