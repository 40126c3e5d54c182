// htmx, kept within the page's content security policy: no eval, no injected styles.
import htmx from "htmx.org";

htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.disableInheritance = true;
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0;
// The server gives up sooner.
htmx.config.timeout = 60_000;
// Not "style": what script has drawn carries styles that the policy would refuse as attributes of new content.
htmx.config.attributesToSettle = ["class"];
