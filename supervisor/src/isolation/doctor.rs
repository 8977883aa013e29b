//! `doctor`: what this machine supports, and one verdict.
