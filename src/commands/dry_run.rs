//! `oci build --dry-run` prints what a build would do, and why. Nothing is written, started or asked of a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Value, json};

use super::{Session, project, settings};
use crate::cli::BuildArguments;
use crate::diagnostic::Failure;
use crate::executor::{BuildOptions, Executor, Foreseen, Readiness};
use crate::plan::Plan;
use crate::report::WorkKind;
use crate::resolve::Pins;
use crate::sanitize;

pub(super) fn run(session: &Session, arguments: &BuildArguments) -> Result<(), Failure> {
    let platforms = settings::platforms(&arguments.platforms)?;
    let plan = Plan::new(&session.manifest, &arguments.names, &platforms).map_err(super::invalid)?;
    let unresolved = session.unresolved(&plan.bases())?;
    let options = BuildOptions { fail_fast: arguments.fail_fast, anew: arguments.no_cache };
    let executor = Executor { options, ..session.executor() };
    let mut stages = resolving(session, &unresolved);
    let (foreseen, errors) = executor.forecast(&plan, &unresolved.keys().cloned().collect::<BTreeSet<_>>());
    stages.extend(foreseen);
    match session.json {
        true => {
            let stages: Vec<Value> = stages.iter().map(as_json).collect();
            super::print(&format!("{}\n", json!({ "stages": stages })))?;
        }
        false => super::print(&as_text(&stages))?,
    }
    Failure::all(errors.into_iter().map(Failure::from)).map_or(Ok(()), Err)
}

fn resolving(session: &Session, unresolved: &Pins<'_>) -> Vec<Foreseen> {
    let resolver = session.resolver();
    let differences = project::differences(&session.manifest, &session.lock);
    let reasons: BTreeMap<&String, String> =
        differences.iter().map(|difference| (&difference.name, difference.to_string())).collect();
    let stage = |(name, pin): (&String, &_)| Foreseen {
        kind: WorkKind::Resolve,
        name: name.clone(),
        platform: None,
        layer: None,
        state: Readiness::Needed(reasons.get(name).cloned().into_iter().collect()),
        commands: resolver.command(*pin).into_iter().collect(),
    };
    unresolved.iter().map(stage).collect()
}

/// A line for each stage, and one for each of its commands.
fn as_text(stages: &[Foreseen]) -> String {
    let mut text = String::new();
    for Foreseen { kind, name, platform, layer, state, commands } in stages {
        let platform = platform.as_ref().map(|platform| format!(" {platform}")).unwrap_or_default();
        let layer = layer.as_ref().map(|layer| format!(" {}", sanitize::name(layer))).unwrap_or_default();
        let state = match state {
            Readiness::Cached => "cached".to_owned(),
            Readiness::Needed(reasons) => reasons.join("; "),
            Readiness::Unknown(reason) => reason.clone(),
        };
        let _ = writeln!(text, "{:8} {name}{platform}{layer}: {}", kind.name(), sanitize::name(&state));
        for command in commands {
            let _ = writeln!(text, "         $ {}", sanitize::name(command));
        }
    }
    text
}

fn as_json(stage: &Foreseen) -> Value {
    let (state, reasons) = match &stage.state {
        Readiness::Cached => ("cached", Vec::new()),
        Readiness::Needed(reasons) => ("needed", reasons.clone()),
        Readiness::Unknown(reason) => ("unknown", vec![reason.clone()]),
    };
    json!({
        "stage": stage.kind.name(),
        "name": stage.name,
        "platform": stage.platform.as_ref().map(ToString::to_string),
        "layer": stage.layer,
        "state": state,
        "reasons": reasons,
        "commands": stage.commands,
    })
}

#[cfg(test)]
mod tests {
    use crate::report::WorkKind::{Assemble, Fetch, Index, Layer, Resolve, Step, Target};

    #[test]
    fn the_page_names_every_kind_of_work_in_a_plan() {
        let page = include_str!("../../docs/metadata.md");
        let line = page.lines().find(|line| line.starts_with("- `stage`: ")).unwrap();
        let planned = [Resolve, Fetch, Target, Layer, Step, Assemble, Index].map(|kind| format!("`{}`", kind.name()));
        let named: Vec<&str> = line.split('`').skip(3).step_by(2).collect();
        assert_eq!(named.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>(), planned);
    }
}
