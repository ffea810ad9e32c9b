//! What is said to allocate nothing, counted: an allocator that counts the calls of each thread, for this whole binary.

use belvedere::context::{Inject, Problems, w3c};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system's allocator unchanged; the counter has no destructor and allocates nothing.
#[allow(unsafe_code, reason = "an allocator cannot be written without it; it only counts")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.try_with(|calls| calls.set(calls.get() + 1)).ok();
        // SAFETY: the caller keeps the allocator's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(of: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    of();
    CALLS.get() - before
}

/// Keeps the one header that is looked at.
struct Slot([u8; 55]);

impl Inject for Slot {
    fn set(&mut self, name: &str, value: &str) {
        if name == w3c::TRACEPARENT {
            self.0.copy_from_slice(value.as_bytes());
        }
    }
}

#[test]
fn a_context_without_tracestate_passes_through_without_an_allocation() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03";
    assert!(allocations(|| drop(vec![1_u8])) > 0, "the counter counts");
    let headers = [("host", "shop.example"), ("traceparent", PARENT), ("accept", "*/*")];
    let mut out = Slot([0; 55]);
    let calls = allocations(|| {
        let context = w3c::extract(headers.as_slice(), &mut Problems::default()).unwrap();
        w3c::inject(&context, &mut out);
    });
    assert_eq!((calls, &out.0[..]), (0, PARENT.as_bytes()));
}
