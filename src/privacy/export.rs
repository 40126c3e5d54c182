//! Everything that is stored of one person, as one zip file that is written while it is read.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::zip::Zip;
use super::{Privacy, PrivacyError};
use crate::model::ProjectId;
use crate::storage::ch::{ChError, ExportedLines};
use crate::storage::pg::{ErasureSubject, History, HistoryOf, PersonRow, SubjectName};

/// Bytes of the file that are sent together.
const PIECE: usize = 64 << 10;
/// Pieces that may wait for the one who downloads.
const WAITING: usize = 4;

const README: &str = "\
Everything that this server stores of one person.

profile.json        The person's profile: properties, whether they were identified, when the profile was made and changed,
                    and the numbers under which their events are stored. It says so if there is no profile.
distinct_ids.jsonl  The ids by which senders named the person, one JSON text a line.
events.jsonl        Every stored event, one JSON object a line: what happened, when, and the person's properties as they were
                    then. Ordered by name and day.
sessions.jsonl      Every session the person took part in, one JSON object a line. A session that several instances of the
                    server took in has a line for each.
groups.jsonl        The groups (accounts, teams) that the person's events belong to.
cohorts.jsonl       The static cohorts into which the person was put.
merges.jsonl        Every time a distinct id or a person was joined to this one, by which event or by hand, and whether that was
                    undone, one JSON object a line.
merged_profiles.jsonl  The profiles of people who became this one, as they were then, one JSON object a line.
edits.jsonl         Every property that was changed by hand, from what and to what, one JSON object a line.
unstored.jsonl      Samples of events of the person that were rejected or set aside, with the reason. They are kept for a few
                    days.

Times are in UTC.
";

/// The files of what is kept beside the profile. What a search for duplicates found stands in the profile.
const HISTORY: [(&str, History); 3] = [
    ("merges.jsonl", History::Merges),
    ("merged_profiles.jsonl", History::MergedProfiles),
    ("edits.jsonl", History::Edits),
];

/// Somebody to export.
#[derive(Debug, Clone)]
pub struct Export {
    privacy: Privacy,
    project: ProjectId,
    subject: ErasureSubject,
    profile: Option<PersonRow>,
}

impl Privacy {
    /// Finds somebody to export; none if nothing is stored of the name.
    ///
    /// # Errors
    /// If a store does not answer, or hangs: then no file is begun.
    pub async fn export(&self, project: ProjectId, name: &SubjectName) -> Result<Option<Export>, PrivacyError> {
        self.ch.or_away(self.find_export(project, name)).await
    }

    async fn find_export(&self, project: ProjectId, name: &SubjectName) -> Result<Option<Export>, PrivacyError> {
        let Some(subject) = self.pg.find_erasure_subject(project, name).await? else { return Ok(None) };
        let uuid = match name {
            SubjectName::Uuid(uuid) => Some(*uuid),
            SubjectName::DistinctId(id) => self.pg.find_person_uuid(project, id).await?,
        };
        let profile = match uuid {
            Some(uuid) => self.pg.find_person_by_uuid(project, uuid).await?,
            None => None,
        };
        match profile {
            Some(_) => self.ch.ping().await?,
            None if self.ch.find_event_span(project, &subject.numbers).await?.is_none() => return Ok(None),
            None => {}
        }
        Ok(Some(Export { privacy: self.clone(), project, subject, profile }))
    }
}

impl Export {
    /// Writes the file; whoever reads the other end gets it piece by piece, and an error if a store fails. Memory holds a few
    /// pieces, whatever there is.
    pub fn write(self) -> mpsc::Receiver<Result<Bytes, PrivacyError>> {
        let (pieces, reader) = mpsc::channel(WAITING);
        // Ends by itself when the reader goes away.
        let task = async move {
            if let Err(Some(error)) = self.write_to(&pieces).await {
                tracing::warn!(error = %error, "An export broke off");
                pieces.send(Err(error)).await.ok();
            }
        };
        tokio_util::task::TaskTracker::new().spawn(task);
        reader
    }

    /// The error is none if the reader has gone.
    async fn write_to(&self, pieces: &Pieces) -> Result<(), Option<PrivacyError>> {
        let Self { privacy, project, subject, profile } = self;
        let mut zip = Zip::default();
        zip.begin("README.txt");
        zip.write(README.as_bytes());
        zip.begin("profile.json");
        zip.write(&pretty(&profile_json(subject, profile.as_ref())));
        zip.begin("distinct_ids.jsonl");
        for id in &subject.distinct_ids {
            zip.write(format!("{}\n", json!(id)).as_bytes());
        }
        send(&mut zip, PIECE, pieces).await?;
        let failed = |error: PrivacyError| Some(error);
        zip.begin("events.jsonl");
        let events = privacy.ch.export_events(*project, &subject.numbers);
        self.copy(&mut zip, events.map_err(|e| failed(e.into()))?, pieces).await?;
        zip.begin("sessions.jsonl");
        let sessions = privacy.ch.export_sessions(*project, &subject.numbers);
        self.copy(&mut zip, sessions.map_err(|e| failed(e.into()))?, pieces).await?;
        zip.begin("groups.jsonl");
        let groups = privacy.ch.export_groups(*project, &subject.numbers);
        self.copy(&mut zip, groups.map_err(|e| failed(e.into()))?, pieces).await?;
        zip.begin("cohorts.jsonl");
        let cohorts = privacy.ch.or_away(privacy.ch.list_cohorts_of(*project, &subject.numbers)).await;
        for id in cohorts.map_err(|e| failed(e.into()))? {
            if let Some(cohort) = privacy.pg.find_cohort(*project, id).await.map_err(|e| failed(e.into()))? {
                zip.write(format!("{}\n", json!({ "cohort_id": id, "name": cohort.name })).as_bytes());
            }
        }
        let of = HistoryOf { numbers: &subject.numbers, distinct_ids: &subject.distinct_ids };
        for (name, what) in HISTORY {
            zip.begin(name);
            for row in privacy.pg.list_history(*project, what, of).await.map_err(|e| failed(e.into()))? {
                zip.write(format!("{row}\n").as_bytes());
                send(&mut zip, PIECE, pieces).await?;
            }
        }
        zip.begin("unstored.jsonl");
        let unstored = privacy.pg.list_unstored_of(*project, &subject.distinct_ids).await;
        for sample in unstored.map_err(|e| failed(e.into()))? {
            zip.write(format!("{sample}\n").as_bytes());
        }
        let rest = zip.finish();
        pieces.send(Ok(rest.into())).await.map_err(|_| None)
    }

    async fn copy(&self, zip: &mut Zip, mut lines: ExportedLines, pieces: &Pieces) -> Result<(), Option<PrivacyError>> {
        let failed = |error: ChError| Some(PrivacyError::from(error));
        while let Some(more) = self.privacy.ch.or_away(lines.next()).await.map_err(failed)? {
            zip.write(&more);
            send(zip, PIECE, pieces).await?;
        }
        Ok(())
    }
}

type Pieces = mpsc::Sender<Result<Bytes, PrivacyError>>;

async fn send(zip: &mut Zip, at_least: usize, pieces: &Pieces) -> Result<(), Option<PrivacyError>> {
    match zip.take(at_least) {
        Some(piece) => pieces.send(Ok(piece.into())).await.map_err(|_| None),
        None => Ok(()),
    }
}

fn profile_json(subject: &ErasureSubject, profile: Option<&PersonRow>) -> serde_json::Value {
    let numbers: Vec<u64> = subject.numbers.iter().map(|number| number.get()).collect();
    match profile {
        None => json!({ "has_profile": false, "distinct_ids": subject.distinct_ids.len(), "numbers": numbers }),
        Some(profile) => json!({
            "has_profile": true,
            "uuid": profile.uuid,
            "is_identified": profile.is_identified,
            "created_at": profile.created_at,
            "last_seen_at": profile.last_seen_at,
            "properties": profile.properties,
            "distinct_ids": subject.distinct_ids.len(),
            "numbers": numbers,
        }),
    }
}

fn pretty(value: &serde_json::Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("it is JSON");
    text.push(b'\n');
    text
}
