-- reads: nothing
-- makes: changed_documents

-- The profile documents that the store lacks or has in another version.
create or replace temp table changed_documents (profile_id varchar, document varchar, document_hash varchar)
