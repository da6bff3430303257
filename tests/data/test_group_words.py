"""Columns and folders called after a patient, an animal, a slide are known, however they are spelt; others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.data.groups.words import GROUP_WORDS, maybe_group, named_like_group, rank_of, tokens

COLUMNS = """patient|Patient|PatientID|patient_id|Patient ID|PATIENT-ID|patientid|idpatient|NoPatient|N° patient|
numéro de patient|Numéro Patient|patients|anon_patient_id|ID_patient_anonymisé|Code patient|PatientName|
subjectnr|Subject No.|sujet|individu|MRN|IPP|donneur|Donor #|participant id|Mouse ID|mouse-id|
souris|mice|rats|animal_no|Embryon|case_id|CaseNo|cas|StudyInstanceUID|study_id|AccessionNumber|
œil|oeil|eye id|specimen|biopsies|lesion_id|Lésion|tumeur|tumor_id|nodule|slide_id|Lame|
SeriesInstanceUID|volume|série|well|puits|plate no|
NIP|NHC|Patientennummer|paciente|Maus-Nr.|ratón|caso|PID|cod_paciente|Paziente|Objektträger|
Versuchstier|Metadata_Plate|Metadata_WellID|Image_Metadata_Patient|DICOM PatientID|Ojo""".replace("\n", "")
OTHERS = """image|image_id|id|name|label|patient_age|PatientSex|âge du patient|case_type|study_date|Volume_ml|
eye colour|slide_count|subset|subtype|rating|ratio|pathology|dataset|classe|plateau|wellness|stage|
grade|x|y|slice|Metadata_Site|metadata|rapid|clinical""".replace("\n", "")
FOLDERS = """Patient 01|patient1|PATIENT-3|Patient_AB12|Patient A|PatientA12|patient n°5|souris_3|Souris 3|
case-12|Case12|sub-01|sub-OAS30001|subj003|pat01|mouse_a|mouse-12b|rat7|Lésion 4|Lame n°7|
2 patient|Embryo12|TCGA-02-0001-01Z|well_B03|study1|volume-3|Patient 01 (2019)|patient_3_left|
donneur 5|sample_a|sample_d|Patient N|Échantillon 3""".replace("\n", "")
CLASSES = """Tumour|tumor|mouse|rat|case|control|control 1|cases|patients|embryo|eye|slide|lésion|Grade 3|
stage 1|class 2|benign 2|0|1|12|AMD|group 1|images|masks|train|pathology 3|rate 3|subset1|sub|
normal|P12|Healthy""".replace("\n", "")


@pytest.mark.parametrize("name", COLUMNS.split("|"))
def test_a_column_of_groups_is_known(name):
    assert rank_of(name) is not None


@pytest.mark.parametrize("name", OTHERS.split("|"))
def test_other_columns_are_not(name):
    assert rank_of(name) is None


@pytest.mark.parametrize("name", ["group", "Groupe", "Sample ID", "échantillon", "batch no", "site", "hospital_id"])
def test_words_that_may_mean_a_group(name):
    assert rank_of(name) is None
    assert maybe_group(name)


@pytest.mark.parametrize("name", FOLDERS.split("|"))
def test_a_folder_of_one_patient_is_known(name):
    assert named_like_group(name)


@pytest.mark.parametrize("name", CLASSES.split("|"))
def test_a_class_is_no_patient(name):
    assert not named_like_group(name)


@given(
    st.sampled_from([w for words in GROUP_WORDS for w in words if len(w) > 2]),
    st.sampled_from(["{0}", "{0} id", "{0}_ID", "{1}Id", "{1}No", "{2}-ID", "ID {1}", "no_{0}", "{1}_number", "{0}s"]),
)
def test_spelling_does_not_matter(word, form):
    assert rank_of(form.format(word, word.capitalize(), word.upper())) is not None


@given(
    st.sampled_from([w for words in GROUP_WORDS for w in words if len(w) > 2]),
    st.sampled_from(["{}{}", "{} {}", "{}_{}", "{}-{}", "{}.{}", "{} n°{}", "{}_no_{}"]),
    st.integers(0, 99999),
    st.sampled_from([str, str.upper, str.capitalize]),
)
def test_a_word_and_a_number_are_a_group(word, form, number, case):
    assert named_like_group(case(form.format(word, number)))


@given(st.text(max_size=30))
def test_any_text_is_read(name):
    assert tokens(name) == [t.casefold() for t in tokens(name)]
    assert named_like_group(name) in (True, False)
    assert rank_of(name) is None or tokens(name)


def test_what_holds_more_comes_first():
    ranks = [rank_of(n) for n in ("patient_id", "mouse", "case", "study", "lesion_id", "slide", "volume", "well")]
    assert None not in ranks
    assert ranks == sorted(ranks, key=lambda rank: rank or 0)
