//! Dying at a named stage, where the build has failpoints; at a moment that the seed chooses, where it has none.
//!
//! The stages of the fault plan, what they are called here, and which row dies there. The profile is asked for and the reply made
//! before an entry is reserved, and reserved is armed in one script: what only stands reserved was refused a connection.
//!
//! | plan | failpoint | row |
//! |---|---|---|
//! | G1 accepted, G2 head, G3 body, G4 signature, G5 decrypted, G6 parsed | `g1` … `g6` | F1 |
//! | G7 handed to the producer | `g7` | F2 |
//! | G8 acknowledged, G9 answer written | `g8`, `g9` | F3 |
//! | C1 polled, C2 decoded | `c1`, `c2`; then `enrich`: about to ask for the profile | F4 |
//! | C4 profile there | `gather` | F4 |
//! | C5 reply made | `decide`: the sources are there; `wait for a place`: it is made; `reserve`: it may be sent | F4 |
//! | C3 reserved | none: killed while the platform refuses connections | F5 |
//! | C6 `sending` durable, no byte written | `c6` | F6, F13 |
//! | C7 bytes written | `c7` | F7 |
//! | C8 answer read | `c8`; then `settle`: about to record it | F8 |
//! | C9 `sent` recorded | `publish` | F8 |
//! | C10 mark moved, C11 committed | `c10`, `c11` | F9 |
//! | spool, filling: records written and not synced; synced and nobody answered; a file made and its folder not synced | `s1`, `s2`, `s6` | F74 |
//! | spool, draining: a record reported and not noted; a whole file noted and not deleted; its notes deleted and it not | `s3`, `s4`, `s5` | F74 |

use std::time::Duration;

use rand::{Rng as _, rngs::StdRng};

use crate::{load::Load, service::Program, stand::Stand, support::processes::until};

/// A build with failpoints names the variable that sets them.
const FAILPOINTS: &str = "FAILPOINTS";

/// How long a service may take to make room for one that dies, and that one to die.
const IN_TIME: Duration = Duration::from_secs(60);

/// Stages that are passed once for each connection or file of the spool, of which few pushes need many.
const SELDOM: [&str; 4] = ["g1", "s4", "s5", "s6"];

/// How often a stage is passed before somebody dies there.
pub(crate) const PASSES: std::ops::Range<usize> = 5..25;

/// A service that dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Victim {
    Gateway,
    Content,
}

impl Victim {
    fn program(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Content => "content-service",
        }
    }

    /// Its build can die at a named stage.
    pub(crate) fn has_stages(self) -> bool {
        Program::named(self.program()).knows(FAILPOINTS)
    }

    /// When it dies.
    pub(crate) fn moments(self, stages: &[&str]) -> String {
        match self.has_stages() {
            true => format!("at {}", stages.join(", ")),
            false => format!("this build has no stages: at {} moments of the seed's choice", stages.len()),
        }
    }

    fn place(self, stand: &mut Stand) -> &mut Option<crate::service::Service> {
        match self {
            Self::Gateway => &mut stand.gateways[0],
            Self::Content => &mut stand.contents[0],
        }
    }
}

/// Lets the first of its kind die at a stage, and starts it again when the load has gone on without it.
pub(crate) async fn dies_at(
    stage: &str,
    victim: Victim,
    stand: &mut Stand,
    load: &Load,
    random: &mut StdRng,
) {
    if victim.has_stages() {
        will_die_at(stage, victim, stand, random).await;
        is_dead(stage, victim, stand).await;
    } else {
        load.goes_on(random.random_range(PASSES)).await;
        victim.place(stand).take().expect("it runs").kill();
    }
    load.goes_on(10).await;
    stand.staff().await;
}

/// Starts the first of its kind so that it dies at a stage. The platform keeps its connections, and as long as those to the other gateways
/// are enough nothing is pushed to one that is new: it gets all pushes until it is dead.
pub(crate) async fn will_die_at(stage: &str, victim: Victim, stand: &mut Stand, random: &mut StdRng) {
    // In order: what is under way now is not what the stage costs.
    victim.place(stand).take().expect("it runs").terminate(IN_TIME).await;
    let passes = random.random_range(PASSES);
    stand.shape.failpoints = Some(match SELDOM.contains(&stage) {
        true => format!("{stage}=return"),
        false => format!("{stage}={passes}*off->return"),
    });
    let (gateway, others) = (matches!(victim, Victim::Gateway), stand.gateways.len() - 1);
    if gateway && others > 0 {
        // Not before it is ready.
        stand.route_to(&(1..=others).collect::<Vec<_>>());
    }
    stand.staff().await;
    if gateway {
        stand.route_to(&[0]);
        stand.edges.push.cut();
    }
}

/// Waits until it has.
pub(crate) async fn is_dead(stage: &str, victim: Victim, stand: &mut Stand) {
    let mut process = victim.place(stand).take().expect("it was just started").process;
    until(&format!("it dies at {stage}"), IN_TIME, async || process.ended()).await;
    let everybody: Vec<usize> = (0..stand.gateways.len()).collect();
    stand.route_to(&everybody);
}
