# One YAML file says what to search; see README.md and docs/reference/configuration.md.
from snakemake.utils import min_version

min_version("9.6")


include: "rules/common.smk"


if plan.reads_images:

    include: "rules/data.smk"
    include: "rules/supernets.smk"


if plan.reads_text:

    include: "rules/text.smk"


if plan.trains:

    if plan.pretrains:

        include: "rules/weights.smk"
    include: "rules/search.smk"

    if plan.one_shot:

        include: "rules/one_shot.smk"
    include: "rules/ranking.smk"
    include: "rules/retraining.smk"
    include: "rules/scaling.smk"
    include: "rules/export.smk"

else:

    include: "rules/table.smk"


include: "rules/report.smk"
include: "rules/manifest.smk"


rule all:
    default_target: True
    input:
        plan.report,
        plan.manifest,
        session.lost,


# the environment of every rule above, for --software-deployment-method conda
for one in workflow.rules:
    if one.basedir == RULES:
        one.conda_env = ENVIRONMENT
