//! A verdict that allows does not touch the heap, however large the policy is. Alone in its file: the allocator that
//! counts is the whole process's.

#![expect(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use openshell_domain::policy::verdict::compile;
use support::shapes::{Case, Shape};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_verdict_that_allows_does_not_allocate() {
    let before = ALLOCATIONS.get();
    drop(black_box(vec![0_u8; 100]));
    assert_eq!(ALLOCATIONS.get(), before + 1, "the allocator counts");
    for shape in Shape::ALL {
        let case = Case::new(shape, 1000);
        let policy = compile(&case.policy).unwrap();
        let before = ALLOCATIONS.get();
        let permitted = case.judge(&policy).map(|at| policy.rule_name(at));
        let allocations = ALLOCATIONS.get() - before;
        assert_eq!((permitted, allocations), (Some("r00500"), 0), "{}", shape.name());
    }
}
