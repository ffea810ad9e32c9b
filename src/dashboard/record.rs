//! One way to write a stored struct: every field may be absent in JSON and is left out where it says nothing.

/// True for what needs no writing.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A struct with `Default`, `PartialEq` and JSON in which default fields are absent.
macro_rules! record {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$field_about:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Debug, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$field_about])*
                #[serde(skip_serializing_if = "crate::dashboard::record::is_default")]
                pub $field: $type,
            )*
        }
    };
}
