-- Who signs in, who owns what, and the keys that stand for them. Secrets are kept as SHA-256, passwords as Argon2id.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_email_unique ON users (lower(email));

CREATE TABLE organizations (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE memberships (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('viewer', 'member', 'admin', 'owner')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE projects (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    name text NOT NULL,
    api_key text NOT NULL CONSTRAINT projects_api_key_unique UNIQUE,
    time_zone text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX projects_organization ON projects (organization_id);

CREATE TABLE personal_api_keys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    label text NOT NULL,
    key_hash bytea NOT NULL CONSTRAINT personal_api_keys_hash_unique UNIQUE,
    hint text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX personal_api_keys_user ON personal_api_keys (user_id);

-- A signed-in browser. The cookie holds the token, the table its hash.
CREATE TABLE sign_ins (
    token_hash bytea PRIMARY KEY,
    -- By which its owner ends it from another browser; the hash stays inside.
    id uuid NOT NULL CONSTRAINT sign_ins_id_unique UNIQUE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    user_agent text NOT NULL
);
CREATE INDEX sign_ins_user ON sign_ins (user_id);

CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    token_hash bytea NOT NULL CONSTRAINT invitations_token_unique UNIQUE,
    email text,
    role text NOT NULL CHECK (role IN ('viewer', 'member', 'admin')),
    created_by uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz
);
CREATE INDEX invitations_organization ON invitations (organization_id);

-- At most one row: the token whose holder may make the owner account. Gone for good once used.
CREATE TABLE setup_token (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL
);
