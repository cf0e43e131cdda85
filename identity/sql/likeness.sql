-- reads: nothing
-- makes: are_two_customers(), beyond_name(), crossed(), date_parts_equal(), is_no_name(), misspelt(), same_house()
-- makes: same_letters(), same_place(), surely(), typo()

-- Whether a condition holds and is not null. DuckDB leaves out the rest of a condition that fails early in a CASE, but
-- works all of it out in a coalesce.
create or replace temp macro surely(condition) as case when condition then true else false end;

-- When two texts may be one. Cheap tests come first: most pairs fail them.
create or replace temp macro same_letters(a, b) as
    length(a) = length(b) and list_sort(string_split(a, '')) = list_sort(string_split(b, ''));

create or replace temp macro misspelt(a, b, most) as
    abs(length(a) - length(b)) <= most and jaro_winkler_similarity(a, b) >= 0.75 and damerau_levenshtein(a, b) <= most;

create or replace temp macro typo(a, b) as
    jaro_winkler_similarity(a, b) >= 0.92 or misspelt(a, b, 1) or same_letters(a, b);

-- First and last name in each other's place, as far as they are given.
create or replace temp macro crossed(given_a, surname_a, given_b, surname_b) as
    (typo(given_a, surname_b) and coalesce(typo(surname_a, given_b), true))
    or (typo(surname_a, given_b) and (surname_b is null or given_a is null));

create or replace temp macro same_place(postcode_a, city_a, postcode_b, city_b) as
    case
        when postcode_a = postcode_b or city_a = city_b then true
        when jaro_winkler_similarity(city_a, city_b) >= 0.9 or misspelt(postcode_a, postcode_b, 1) then true
        else false
    end;

create or replace temp macro same_house(street_a, number_a, street_b, number_b) as
    street_a = street_b or (number_a = number_b and jaro_winkler_similarity(street_a, street_b) >= 0.92);

-- Birthdays as ISO text: how many of year, month and day are the same.
create or replace temp macro date_parts_equal(a, b) as
    (a[1:4] = b[1:4])::int + (a[6:7] = b[6:7])::int + (a[9:10] = b[9:10])::int;

-- What a mailbox says beyond the name of who holds it: its digits where its letters are the name, else what the names
-- leave of it.
create or replace temp macro beyond_name(mailbox, given_name, surname) as
    case
        when jaro_winkler_similarity(
            regexp_replace(mailbox, '[^a-z]', '', 'g'), coalesce(given_name, '') || coalesce(surname, '')) >= 0.93
        then regexp_replace(mailbox, '[^0-9]', '', 'g')
        else regexp_replace(
            replace(replace(mailbox, coalesce(given_name, '?'), ''), coalesce(surname, '?'), ''), '[^a-z0-9]', '', 'g')
    end;

-- Whether a source knows two by other customer numbers (`source:number`), and has none that both bear.
create or replace temp macro are_two_customers(a, b) as
    not list_has_any(a, b)
    and list_has_any(list_transform(a, lambda c: split_part(c, ':', 1)), list_transform(b, lambda c: split_part(c, ':', 1)));

create or replace temp macro is_no_name(name) as regexp_matches(name, '[0-9]');
