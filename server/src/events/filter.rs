//! Which events a listener wants and may have.

use domain::{AccountId, TournamentId};

use super::{Audience, Event, Kind};

/// Most tournaments that a filter names.
const MOST_TOURNAMENTS: usize = 50;

/// Which events a listener wants and may have.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    tournaments: Vec<TournamentId>,
    kinds: Vec<Kind>,
    account: Option<AccountId>,
}

impl Filter {
    /// Events of these tournaments and kinds, none named: all; with an account's own events.
    #[must_use]
    pub fn new(
        tournaments: Vec<TournamentId>,
        kinds: Vec<Kind>,
        account: Option<AccountId>,
    ) -> Self {
        Self {
            tournaments,
            kinds,
            account,
        }
    }

    /// Parses `a,b` lists of tournaments and kinds; an empty text names none.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn parse(
        tournaments: &str,
        kinds: &str,
        account: Option<AccountId>,
    ) -> Result<Self, String> {
        let names = |text: &str| -> Vec<String> {
            let names = text.split(',').map(str::trim);
            let named = names.filter(|name| !name.is_empty());
            named.map(str::to_owned).collect()
        };
        let shown = |name: &str| name.chars().take(80).collect::<String>();
        let tournaments = names(tournaments);
        if tournaments.len() > MOST_TOURNAMENTS {
            return Err(format!(
                "More than {MOST_TOURNAMENTS} tournaments are named."
            ));
        }
        let tournaments = tournaments.iter().map(|name| {
            let parsed = name.parse();
            parsed.map_err(|_| format!("{:?} is no tournament's id.", shown(name)))
        });
        let kinds = names(kinds).into_iter().map(|name| {
            let parsed = Kind::parse(&name);
            parsed.ok_or_else(|| format!("{:?} is no type of event.", shown(&name)))
        });
        let tournaments = tournaments.collect::<Result<_, String>>()?;
        let mut kinds = kinds.collect::<Result<Vec<_>, String>>()?;
        kinds.sort_unstable();
        kinds.dedup();
        Ok(Self::new(tournaments, kinds, account))
    }

    /// Whose own events are wanted too.
    #[must_use]
    pub fn account(&self) -> Option<&AccountId> {
        self.account.as_ref()
    }

    /// The tournaments named; none: all.
    #[must_use]
    pub fn tournaments(&self) -> &[TournamentId] {
        &self.tournaments
    }

    /// The kinds named; none: all.
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Whether this kind is wanted.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether events of this tournament are wanted.
    #[must_use]
    pub fn covers(&self, tournament: &TournamentId) -> bool {
        self.tournaments.is_empty() || self.tournaments.contains(tournament)
    }

    /// Whether the listener wants this event and may have it.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        let may = match &event.audience {
            Audience::Everybody => true,
            Audience::Account(account) => self.account.as_ref() == Some(account),
        };
        may && self.wants(event.kind) && self.covers(&event.tournament)
    }
}
