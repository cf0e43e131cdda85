-- reads: nothing
-- makes: changed_documents

-- The documents of profiles that the store lacks or holds otherwise.
create or replace temp table changed_documents (profile_id varchar, document varchar, document_hash varchar)
