//! What a transform plugin in Rust is written with: it turns the block that Sluice hands
//! over into records with names and labels, and what the plugin does to them into the
//! answer. It knows nothing of policies, and needs neither std nor another crate.
//!
//! A plugin is stateless: what it keeps between batches is a cache. Natively it is
//! tested with [`testing::Trial`].
#![no_std]

extern crate alloc;
#[cfg(not(target_arch = "wasm32"))]
extern crate std;

mod abi;
mod batch;
mod config;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod key;
mod record;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use abi::{Code, Kind, Level};
pub use batch::Batch;
pub use config::Config;
pub use key::{Key, Mapping, Memo};
pub use record::Record;

use alloc::string::String;

/// A use of a plugin, with the config of a policy.
pub trait Plugin: Sized {
    /// Takes the config, once, before the first batch. An error refuses the config.
    fn new(config: &Config) -> Result<Self, String>;

    /// Transforms a record.
    fn each(&mut self, record: &mut Record);

    /// Transforms a batch: each of its records.
    fn batch(&mut self, batch: &mut Batch) {
        for i in 0..batch.len() {
            self.each(&mut batch.record(i));
        }
    }
}

/// Makes the module of a [`Plugin`].
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        // Natively tests alone use the plugin.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            let _ = $crate::testing::Trial::<$plugin>::new as fn(&str) -> _;
        };

        #[cfg(target_arch = "wasm32")]
        mod sluice_exports {
            use super::*;
            static GUEST: $crate::guest::Guest<$plugin> = $crate::guest::Guest::new();

            #[no_mangle]
            extern "C" fn sluice_abi_1() -> i32 {
                $crate::guest::MINOR
            }
            #[no_mangle]
            extern "C" fn sluice_alloc(size: u32) -> *mut u8 {
                GUEST.alloc(size)
            }
            #[no_mangle]
            extern "C" fn sluice_init(at: *const u8, length: u32) -> i32 {
                GUEST.init(at, length)
            }
            #[no_mangle]
            extern "C" fn sluice_transform(at: *mut u8, length: u32) -> i64 {
                GUEST.transform(at, length)
            }
        }
    };
}
