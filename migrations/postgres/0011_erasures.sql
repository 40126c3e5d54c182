-- Erasures: jobs while they run, receipts for ever after. Nothing here says who was erased but a keyed hash; plan holds
-- numbers only, and only until the job is done.
CREATE TABLE erasures (
    id uuid PRIMARY KEY,
    -- No reference: a receipt outlives its project.
    project_id integer NOT NULL,
    subject text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    -- What happened or came in up to here goes; an id that comes back later begins anew.
    erased_until timestamptz NOT NULL,
    keeps_events boolean NOT NULL,
    step text NOT NULL CHECK (step IN ('hide', 'settle', 'scrub', 'wait', 'done')),
    plan jsonb,
    stores jsonb NOT NULL,
    error text NOT NULL DEFAULT '',
    hidden_at timestamptz,
    finished_at timestamptz,
    receipt text,
    signature bytea
);
CREATE INDEX erasures_newest ON erasures (project_id, requested_at DESC, id DESC);
CREATE INDEX erasures_open ON erasures (requested_at) WHERE step <> 'done';

-- Distinct ids of erased people, hashed: an event of one that happened or came in up to that moment is not stored, however
-- often it is sent again. Kept for as long as a sent-again event would be recognised.
CREATE TABLE erased_ids (
    project_id integer NOT NULL,
    id_hash bytea NOT NULL,
    erased_until timestamptz NOT NULL,
    PRIMARY KEY (project_id, id_hash)
);
CREATE INDEX erased_ids_age ON erased_ids (erased_until);
