//! This crate against real etcd binaries: 3.4, 3.5, 3.6 and 3.7.
//!
//! They are taken from the folders `etcd-3.4` to `etcd-3.7` in `$E2D_TEST_PARTS`, or else in `~/.cache/e2d/parts`;
//! a test whose binary is missing fails and says so. Every etcd runs on loopback addresses of this process's own and is
//! killed when its test ends, however it ends. Data is on a RAM disk and nothing here is about surviving a power cut.

// Every scenario is one function of the version, run as a test of its own for each.
macro_rules! on_each_version {
    ($($scenario:ident),+ $(,)?) => {
        on_each_version!(@ v3_4 V3_4 $($scenario),+);
        on_each_version!(@ v3_5 V3_5 $($scenario),+);
        on_each_version!(@ v3_6 V3_6 $($scenario),+);
        on_each_version!(@ v3_7 V3_7 $($scenario),+);
    };
    (@ $module:ident $minor:ident $($scenario:ident),+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenario(crate::rig::Parts::of(e2d_etcd::version::Minor::$minor).await).await;
                }
            )+
        }
    };
}

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod deaths;
#[cfg(test)]
mod life;
#[cfg(test)]
mod restores;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod wal;
