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

use std::time::Duration;

use rand::{Rng as _, rngs::StdRng};

use crate::{load::Load, service::Program, stand::Stand, support::processes::until};

/// A build with failpoints names the variable that sets them.
const FAILPOINTS: &str = "FAILPOINTS";

/// How long a service may take to make room for one that dies, and that one to die.
const IN_TIME: Duration = Duration::from_secs(60);

/// The stage that is passed once for each connection, of which few pushes need many.
const PER_CONNECTION: &str = "g1";

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
    let passes = random.random_range(5..25);
    if victim.has_stages() {
        // In order: what is under way now is not what the stage costs.
        victim.place(stand).take().expect("it runs").terminate(IN_TIME).await;
        stand.shape.failpoints = Some(match stage {
            PER_CONNECTION => format!("{stage}=return"),
            _ => format!("{stage}={passes}*off->return"),
        });
        stand.staff().await;
        passes_until_dead(stage, victim, stand).await;
    } else {
        load.goes_on(passes).await;
        victim.place(stand).take().expect("it runs").kill();
    }
    load.goes_on(10).await;
    stand.staff().await;
}

/// The platform keeps its connections, and as long as those to the other gateways are enough nothing is pushed to one that is new: it gets
/// all pushes until it is dead.
async fn passes_until_dead(stage: &str, victim: Victim, stand: &mut Stand) {
    if matches!(victim, Victim::Gateway) {
        stand.route_to(&[0]);
        stand.edges.push.cut();
    }
    let mut process = victim.place(stand).take().expect("it was just started").process;
    until(&format!("it dies at {stage}"), IN_TIME, async || process.ended()).await;
    let everybody: Vec<usize> = (0..stand.gateways.len()).collect();
    stand.route_to(&everybody);
}
