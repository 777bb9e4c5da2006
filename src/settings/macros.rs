//! The macros that make configurations, and enumerations of names, from tables.

/// Makes a configuration from a table of settings.
///
/// Each entry is the text of the setting, for rustdoc, `--help` and docs/CONFIGURATION.md; `#[option(NAME, KIND)]` with one of the `kinds`,
/// or `#[option(NAME, KIND, RANGE)]`; and `FIELD: TYPE = DEFAULT;`, or `FIELD: TYPE;` where the text states the default or there is none.
/// A setting that may be `off`, or whose default depends on other values, is an `Option`. Rustdoc shows DEFAULT and RANGE as they are
/// written in the table: write them without private names. A builder has a field `config`, and gets a method for each setting. Fields in
/// the block `with` cannot be given as text.
#[doc(hidden)]
#[macro_export]
macro_rules! settings {
    (@builder [] $($setting:tt)+) => {};
    (@builder [$builder:ident] $($(#[$doc:meta])+ $field:ident: $type:ident $(<$of:ty>)?;)+) => {
        impl $builder {
            $($crate::settings! { @method $(#[$doc])+ $field: $type $(<$of>)? })+
        }
    };
    (@none Option) => {
        "`None` means this default."
    };
    (@none Option $default:expr) => {
        "`None` means `off`."
    };
    (@none $type:ident $($default:expr)?) => {
        ""
    };
    (@default) => {
        Default::default()
    };
    (@default $default:expr) => {
        $default
    };
    (@method $(#[$doc:meta])+ $field:ident: Vec<$of:ty>) => {
        $(#[$doc])+
        ///
        /// Each call adds one.
        pub fn $field(mut self, $field: $of) -> Self {
            self.config.$field.push($field);
            self
        }
    };
    (@method $(#[$doc:meta])+ $field:ident: Option<$of:ty>) => {
        $(#[$doc])+
        pub fn $field(mut self, $field: impl Into<Option<$of>>) -> Self {
            self.config.$field = $field.into();
            self
        }
    };
    (@method $(#[$doc:meta])+ $field:ident: $type:ty) => {
        $(#[$doc])+
        pub fn $field(mut self, $field: $type) -> Self {
            self.config.$field = $field;
            self
        }
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $config:ident $(, built by $builder:ident)? {
            $(
                $(#[doc = $doc:literal])+
                #[option($name:literal, $kind:expr $(, $range:expr)?)]
                $field:ident: $type:ident $(<$of:ty>)? $(= $default:expr)?;
            )+
        }
        $(with {
            $(
                $(#[doc $($other_doc:tt)+])+
                $(#[cfg($condition:meta)])?
                $other_visibility:vis $other:ident: $other_type:ty = $other_default:expr;
            )+
        })?
    ) => {
        $(#[$attribute])*
        $visibility struct $config {
            $(
                $(#[doc = $doc])+
                #[doc = $crate::settings!(@none $type $($default)?)]
                #[doc = ""]
                $(#[doc = concat!("Default: `", stringify!($default), "`.")])?
                $(#[doc = concat!("Range: `", stringify!($range), "`.")])?
                $visibility $field: $type $(<$of>)?,
            )+
            $($(
                $(#[doc $($other_doc)+])+
                #[doc = ""]
                #[doc = concat!("Default: `", stringify!($other_default), "`.")]
                $(#[cfg($condition)])?
                $other_visibility $other: $other_type,
            )+)?
        }

        impl Default for $config {
            fn default() -> Self {
                Self {
                    $($field: $crate::settings!(@default $($default)?),)+
                    $($($(#[cfg($condition)])? $other: $other_default,)+)?
                }
            }
        }

        impl $crate::settings::SettingsTable for $config {
            #[cfg(feature = "serve")]
            const SETTINGS: &'static [$crate::settings::kinds::Setting<Self>] = {
                use $crate::settings::kinds::*;
                &[$(Setting {
                    name: $name,
                    help: concat!($($doc, "\n"),+),
                    form: ($kind).form,
                    show: |config| ($kind).show(&config.$field),
                    read: |config, texts| {
                        config.$field = ($kind).read(texts)?.into();
                        Ok(())
                    },
                },)+]
            };

            fn check_ranges(&self) -> Result<(), $crate::settings::RangeError> {
                $($($crate::settings::check($name, &self.$field, &($range))?;)?)+
                Ok(())
            }
        }

        $crate::settings! {
            @builder [$($builder)?]
            $(
                $(#[doc = $doc])+
                #[doc = $crate::settings!(@none $type $($default)?)]
                #[doc = ""]
                $(#[doc = concat!("Default: `", stringify!($default), "`.")])?
                $(#[doc = concat!("Range: `", stringify!($range), "`.")])?
                $field: $type $(<$of>)?;
            )+
        }
    };
}

/// Makes an enumeration whose variants have names on the command line: `Variant = "name"`. A variant's text is used in rustdoc and in
/// `--help`.
#[doc(hidden)]
#[macro_export]
macro_rules! choices {
    (@text doc = $text:literal) => {
        $text
    };
    (@text $($other:tt)+) => {
        ""
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $choice:ident {
            $($(#[$($about:tt)+])+ $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$attribute])*
        $visibility enum $choice {
            $($(#[$($about)+])+ $variant,)+
        }

        #[cfg(feature = "serve")]
        impl $crate::settings::choice::Choice for $choice {
            const ALL: &'static [(&'static str, &'static str, Self)] =
                &[$(($name, concat!($($crate::choices!(@text $($about)+), "\n"),+), Self::$variant),)+];
        }
    };
}
