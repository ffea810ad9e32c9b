//! What must hold between `global` and the receivers: a channel that says less than it needs takes the rest from `global`,
//! and is refused when that does not have it. Order and words of Alertmanager's `Config.UnmarshalYAML`.

use super::receivers::POST_MESSAGE;
use super::schema::Section;
use super::{ConfigError, Integration, Receiver, at};
use crate::wire::yaml::Node;
use std::collections::HashSet;

/// Pairs in `global` of which one at most may be said.
const EXCLUSIVE: [[&str; 2]; 9] = [
    ["opsgenie_api_key", "opsgenie_api_key_file"],
    ["victorops_api_key", "victorops_api_key_file"],
    ["telegram_bot_token", "telegram_bot_token_file"],
    ["smtp_auth_password", "smtp_auth_password_file"],
    ["rocketchat_token", "rocketchat_token_file"],
    ["rocketchat_token_id", "rocketchat_token_id_file"],
    ["smtp_auth_secret", "smtp_auth_secret_file"],
    ["wechat_api_secret", "wechat_api_secret_file"],
    ["mattermost_webhook_url", "mattermost_webhook_url_file"],
];

/// Checks all receivers.
pub(super) fn check(global: Option<&Node>, receivers: &[Receiver]) -> Result<(), ConfigError> {
    let section = Section(global);
    check_global(section).map_err(|text| ConfigError { place: global.map(|node| node.place), text })?;
    let mut names = HashSet::new();
    for receiver in receivers {
        if !names.insert(receiver.name.as_str()) {
            return Err(ConfigError {
                place: Some(receiver.place),
                text: format!("notification config name {:?} is not unique", receiver.name),
            });
        }
        for integration in &receiver.integrations {
            check_integration(section, integration).map_err(|text| at(&integration.settings, text))?;
        }
    }
    Ok(())
}

fn check_global(global: Section<'_>) -> Result<(), String> {
    exclusive(global, ["slack_app_token", "slack_app_token_file"])?;
    exclusive(global, ["slack_api_url", "slack_api_url_file"])?;
    let token = global.set("slack_app_token") || global.set("slack_app_token_file");
    let url = global.has("slack_api_url") || global.set("slack_api_url_file");
    let app_url = if global.has("slack_app_url") { global.text("slack_app_url") } else { POST_MESSAGE };
    // A workaround of the time before bot tokens: both may be said when the address is that of the app.
    if token && url && global.text("slack_api_url") != app_url {
        return Err(
            "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured"
                .to_owned(),
        );
    }
    EXCLUSIVE.into_iter().try_for_each(|pair| exclusive(global, pair))
}

fn exclusive(section: Section<'_>, [left, right]: [&str; 2]) -> Result<(), String> {
    if section.set(left) && section.set(right) {
        return Err(format!("at most one of {left} & {right} must be configured"));
    }
    Ok(())
}

fn check_integration(global: Section<'_>, integration: &Integration) -> Result<(), String> {
    let own = Section(Some(&integration.settings));
    let any = |own_keys: &[&str], global_keys: &[&str]| {
        own_keys.iter().any(|key| own.set(key)) || global_keys.iter().any(|key| global.set(key))
    };
    let need = |there: bool, words: &str| if there { Ok(()) } else { Err(words.to_owned()) };
    match integration.kind.as_str() {
        "email" => {
            need(any(&["smarthost"], &["smtp_smarthost"]), "no global SMTP smarthost set")?;
            need(any(&["from"], &["smtp_from"]), "no global SMTP from set")
        }
        "slack" => check_slack(global, own),
        "opsgenie" => need(
            any(&["api_key", "api_key_file"], &["opsgenie_api_key", "opsgenie_api_key_file"]),
            "no global OpsGenie API Key set either inline or in a file",
        ),
        "wechat" => {
            need(
                any(&["api_secret", "api_secret_file"], &["wechat_api_secret", "wechat_api_secret_file"]),
                "no global Wechat Api Secret set either inline or in a file",
            )?;
            need(any(&["corp_id"], &["wechat_api_corp_id"]), "no global Wechat CorpID set")
        }
        "victorops" => need(
            any(&["api_key", "api_key_file"], &["victorops_api_key", "victorops_api_key_file"]),
            "no global VictorOps API Key set",
        ),
        "telegram" => need(
            any(&["bot_token", "bot_token_file"], &["telegram_bot_token", "telegram_bot_token_file"]),
            "missing bot_token or bot_token_file on telegram_config",
        ),
        "jira" => need(any(&["api_url"], &["jira_api_url"]), "no global Jira Cloud URL set"),
        "rocketchat" => {
            need(
                any(&["token_id", "token_id_file"], &["rocketchat_token_id", "rocketchat_token_id_file"]),
                "no global Rocketchat TokenID set either inline or in a file",
            )?;
            need(
                any(&["token", "token_file"], &["rocketchat_token", "rocketchat_token_file"]),
                "no global Rocketchat Token set either inline or in a file",
            )
        }
        "mattermost" => need(
            any(&["webhook_url", "webhook_url_file"], &["mattermost_webhook_url", "mattermost_webhook_url_file"]),
            "missing webhook_url or webhook_url_file on mattermost_config",
        ),
        _ => Ok(()),
    }
}

fn check_slack(global: Section<'_>, own: Section<'_>) -> Result<(), String> {
    let authorized = own.section("http_config").has("authorization");
    let own_token = own.set("app_token") || own.set("app_token_file");
    let takes_token = !own_token && !authorized && !own.has("api_url");
    let token = own_token || (takes_token && (global.set("slack_app_token") || global.set("slack_app_token_file")));
    let url = own.has("api_url") || own.set("api_url_file") || global.has("slack_api_url") || global.set("slack_api_url_file");
    if !url && !token {
        return Err("no Slack API URL nor App token set either inline or in a file".to_owned());
    }
    let authorized = if own.has("http_config") { authorized } else { global.section("http_config").has("authorization") };
    if token && authorized {
        return Err("http authorization can't be set when using Slack App tokens".to_owned());
    }
    Ok(())
}
