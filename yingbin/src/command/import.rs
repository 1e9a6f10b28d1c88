//! `yingbin import`: what the customer database knows, streamed into the profiles.

mod csv;
mod jsonl;
mod row;

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use clap::Args;
use proto::profile::{
    ImportRequest, ImportResponse, UpdateRequest, profile_service_client::ProfileServiceClient,
};
use serde_json::json;
use tonic::transport::Endpoint;

use super::{Output, Problem, ProfileFlags, Servers, output, progress};

/// Refused lines that are told one by one; the rest is counted.
const TOLD: usize = 100;

/// What to import, and for whom.
#[derive(Args, Debug)]
pub struct ImportFlags {
    /// `.csv`: columns `openid`, `trait:NAME`, `prefer`, `drop` (topics, separated by `;`), `external:NAMESPACE`; an empty
    /// cell leaves what is known as it is. `.jsonl`: `{"openid":…,"traits":{…},"prefer":[…],"drop":[…],"external_ids":{…}}`;
    /// a trait with an empty text is forgotten.
    file: PathBuf,
    /// AppId of the account whose users they are, or its name in a running `yingbin up`.
    #[arg(long, value_name = "APP_ID")]
    account: Option<String>,
    #[command(flatten)]
    profile: ProfileFlags,
    #[command(flatten)]
    output: Output,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The format of a file by its ending; `None` for any other ending.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// One row of a file: the line on which it begins, and what it sets or what is wrong with it.
pub type Row = (u64, Result<UpdateRequest, String>);

/// The rows of a file, read as they are asked for.
pub type Rows = Box<dyn Iterator<Item = Row> + Send>;

/// Reads a file for the account `app_id`; what it says counts from `now_ms` (Unix milliseconds) on.
///
/// # Errors
/// The header of a CSV file: which column is missing or not known.
pub fn read(
    input: impl Read + Send + 'static,
    format: Format,
    app_id: &str,
    now_ms: i64,
) -> Result<Rows, Problem> {
    let app_id = app_id.to_owned();
    let finish =
        move |(line, row): row::Numbered| (line, row.and_then(|told| told.into_update(&app_id, now_ms)));
    Ok(match format {
        Format::Csv => Box::new(csv::rows(input)?.map(finish)),
        Format::Jsonl => Box::new(jsonl::rows(input).map(finish)),
    })
}

/// How an import went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows taken.
    pub imported: u64,
    /// Rows refused, here or by profile-service.
    pub refused: u64,
    /// The first of them, with their lines in the file.
    pub refusals: Vec<Problem>,
}

/// Runs it at `now_ms`, Unix milliseconds. Exit code 1: at least one row was refused.
///
/// # Errors
/// The file cannot be read, its header is wrong, or profile-service is away.
pub async fn run(flags: ImportFlags, now_ms: i64) -> anyhow::Result<ExitCode> {
    let name = flags.file.display().to_string();
    let format = Format::of(&flags.file).ok_or_else(|| anyhow!("{name}: it has to end in .csv or .jsonl"))?;
    let servers = Servers::find()?;
    let app_id = servers.app_id(flags.account.as_deref())?;
    let file = File::open(&flags.file).with_context(|| format!("{name} cannot be read"))?;
    let bar = progress::bar(file.metadata().map_or(0, |meta| meta.len()), "bytes");
    let input = bar.wrap_read(BufReader::new(file));
    let rows = read(input, format, &app_id, now_ms).map_err(|problem| anyhow!("{name}: {problem}"))?;
    let summary = send(servers.profile(&flags.profile)?, rows).await?;
    bar.finish_and_clear();
    for problem in &summary.refusals {
        eprintln!("{name}: {problem}");
    }
    flags.output.answer(|| as_json(&summary), || human(&summary))?;
    Ok(output::exit(summary.refused == 0))
}

/// Streams rows to profile-service and waits for its answer. Cut off, some rows are taken and some are not;
/// the same file may be sent again.
///
/// # Errors
/// profile-service cannot be reached or ended the stream.
pub async fn send(profile: Endpoint, rows: Rows) -> anyhow::Result<Summary> {
    let at = profile.uri().to_string();
    let at = at.trim_end_matches('/');
    let away = || format!("profile-service at {at} does not answer: is it running, and is this its address?");
    let endpoint = profile.connect_timeout(Duration::from_secs(5));
    let mut client = ProfileServiceClient::new(endpoint.connect().await.with_context(away)?);
    let sorted = Arc::new(Mutex::new(Sorted::default()));
    let seen = Arc::clone(&sorted);
    let requests = rows.filter_map(move |row| lock(&seen).take(row));
    let answer = client.import(futures::stream::iter(requests)).await;
    let answer = answer.map_err(|status| anyhow!("profile-service: {}", status.message()))?.into_inner();
    Ok(std::mem::take(&mut *lock(&sorted)).summary(&answer))
}

fn lock(sorted: &Mutex<Sorted>) -> std::sync::MutexGuard<'_, Sorted> {
    sorted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What has been read: the lines that were sent, in order, and those that were not.
#[derive(Debug, Default)]
struct Sorted {
    sent: Vec<u64>,
    refused: u64,
    refusals: Vec<Problem>,
}

impl Sorted {
    fn take(&mut self, (line, row): Row) -> Option<ImportRequest> {
        match row {
            Ok(update) => {
                self.sent.push(line);
                Some(ImportRequest { update: Some(update) })
            }
            Err(what) => {
                self.refused += 1;
                if self.refusals.len() < TOLD {
                    self.refusals.push(Problem { line, what });
                }
                None
            }
        }
    }

    /// profile-service counts the messages that it got; here they get their lines back.
    fn summary(self, answer: &ImportResponse) -> Summary {
        let line_of = |number: u64| {
            let at = usize::try_from(number).unwrap_or_default().wrapping_sub(1);
            self.sent.get(at).copied().unwrap_or_default()
        };
        let theirs = answer.refusals.iter();
        let theirs =
            theirs.map(|refusal| Problem { line: line_of(refusal.number), what: refusal.reason.clone() });
        let mut refusals: Vec<Problem> = self.refusals.iter().cloned().chain(theirs).collect();
        refusals.sort_by_key(|problem| problem.line);
        Summary { imported: answer.imported, refused: self.refused + answer.refused, refusals }
    }
}

fn as_json(summary: &Summary) -> serde_json::Value {
    let refusals =
        summary.refusals.iter().map(|problem| json!({ "line": problem.line, "what": problem.what }));
    json!({
        "ok": summary.refused == 0,
        "imported": summary.imported,
        "refused": summary.refused,
        "refusals": refusals.collect::<Vec<_>>(),
    })
}

fn human(summary: &Summary) -> String {
    match summary.refused {
        0 => format!("{} people imported", summary.imported),
        refused => format!("{} people imported, {refused} lines refused", summary.imported),
    }
}
