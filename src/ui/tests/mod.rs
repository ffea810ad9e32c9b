//! Tests of the whole window: pictures of every state, clicks and keys, names of every control, colours by role only.

mod lint;
mod pictures;
mod scene;
mod use_it;
