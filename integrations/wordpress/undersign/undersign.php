<?php
/**
 * Plugin Name:       Undersign
 * Description:       Shows a petition's form, counter or button on your pages: as a block, a shortcode or a pasted address.
 * Version:           1.0.0
 * Requires at least: 6.1
 * Requires PHP:      7.4
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:       undersign
 *
 * Keeps one setting, the address of the petition's server, and asks nobody else for anything. What is signed goes from
 * the visitor's browser to that server; WordPress never sees it.
 *
 * @package Undersign
 */

defined( 'ABSPATH' ) || exit;

const UNDERSIGN_DEFAULTS = array(
	'campaign' => '',
	'show'     => 'form',
	'language' => '',
	'partner'  => '',
	'label'    => '',
);

add_action( 'init', 'undersign_init' );
add_action( 'admin_init', 'undersign_admin_init' );
add_action( 'admin_menu', 'undersign_admin_menu' );

/**
 * Register block and shortcode, and the server as a known source of embeds: WordPress would put the frame of one that
 * it does not know into a sandbox in which links do nothing.
 */
function undersign_init() {
	wp_register_script(
		'undersign-editor',
		plugins_url( 'editor.js', __FILE__ ),
		array( 'wp-blocks', 'wp-block-editor', 'wp-components', 'wp-element', 'wp-i18n', 'wp-server-side-render' ),
		'1.0.0',
		true
	);
	wp_set_script_translations( 'undersign-editor', 'undersign' );
	register_block_type( __DIR__, array( 'render_callback' => 'undersign_block' ) );
	add_shortcode( 'undersign', 'undersign_shortcode' );
	$server = get_option( 'undersign_server', '' );
	if ( $server ) {
		wp_oembed_add_provider( $server . '/c/*', $server . '/v1/oembed' );
	}
}

/**
 * Render the shortcode: [undersign campaign="save-the-swifts" show="form" language="de" partner="swift-friends"].
 *
 * @param array|string $attributes As WordPress has parsed them; "" where there are none.
 * @return string HTML.
 */
function undersign_shortcode( $attributes ) {
	return undersign_html( shortcode_atts( UNDERSIGN_DEFAULTS, $attributes, 'undersign' ) );
}

/**
 * Render the block.
 *
 * @param array $attributes As block.json describes them.
 * @return string HTML.
 */
function undersign_block( $attributes ) {
	return '<div ' . get_block_wrapper_attributes() . '>' . undersign_html( $attributes ) . '</div>';
}

/**
 * Render the form, the counter or the button. Without a script, the form is a link and the counter a picture.
 *
 * @param array $attributes All of UNDERSIGN_DEFAULTS.
 * @return string HTML; where the plugin has no server or no campaign, a hint for those who can add one.
 */
function undersign_html( $attributes ) {
	$server = get_option( 'undersign_server', '' );
	if ( ! $server || ! $attributes['campaign'] ) {
		$hint = __( 'Undersign: name the campaign here, and the petition’s server under Settings → Undersign.', 'undersign' );
		return current_user_can( 'edit_posts' ) ? '<p>' . esc_html( $hint ) . '</p>' : '';
	}
	$language = $attributes['language'] ? $attributes['language'] : strtok( get_bloginfo( 'language' ), '-' );
	$known    = ' campaign="' . esc_attr( $attributes['campaign'] ) . '" lang="' . esc_attr( $language ) . '"';
	switch ( $attributes['show'] ) {
		case 'counter':
			$picture = $server . '/v1/campaigns/' . rawurlencode( $attributes['campaign'] ) . '/count.svg?lang=' . rawurlencode( $language );
			return undersign_script( $server ) . '<undersign-counter' . $known . '><img src="' . esc_url( $picture )
				. '" width="200" height="48" alt="' . esc_attr__( 'The number of signatures so far', 'undersign' ) . '"></undersign-counter>';
		case 'button':
			return '<p class="wp-block-button">' . undersign_link( $server, $attributes, $language ) . '</p>';
		default:
			$partner = $attributes['partner'] ? ' partner="' . esc_attr( $attributes['partner'] ) . '"' : '';
			return undersign_script( $server ) . '<undersign-form' . $known . $partner . '><p>'
				. undersign_link( $server, $attributes, $language ) . '</p></undersign-form>';
	}
}

/**
 * Render a link to the petition's own page, which keeps language and partner.
 *
 * @param string $server     Such as https://petition.example.org.
 * @param array  $attributes All of UNDERSIGN_DEFAULTS.
 * @param string $language   BCP 47.
 * @return string HTML.
 */
function undersign_link( $server, $attributes, $language ) {
	$query = http_build_query(
		array_filter(
			array(
				'lang'    => $language,
				'partner' => $attributes['partner'],
			)
		)
	);
	$url   = $server . '/c/' . rawurlencode( $attributes['campaign'] ) . '?' . $query;
	$label = $attributes['label'] ? $attributes['label'] : __( 'Sign the petition', 'undersign' );
	return '<a class="wp-block-button__link wp-element-button" href="' . esc_url( $url ) . '">' . esc_html( $label ) . '</a>';
}

/**
 * Render the script element. It sets no cookie and tracks nobody, so consent managers need not hold it back.
 *
 * @param string $server Such as https://petition.example.org.
 * @return string HTML.
 */
function undersign_script( $server ) {
	return wp_get_script_tag(
		array(
			'type'                => 'module',
			'src'                 => $server . '/embed/v1.js',
			'crossorigin'         => 'anonymous',
			'data-cookieconsent'  => 'ignore',
			'data-ot-ignore'      => true,
			'data-uc-allowed'     => 'true',
			'data-cmp-ab'         => '1',
			'data-cookieyes'      => 'ignore',
			'data-cfasync'        => 'false',
			'data-no-optimize'    => '1',
		)
	);
}

/** Register the one setting. */
function undersign_admin_init() {
	register_setting(
		'undersign',
		'undersign_server',
		array(
			'type'              => 'string',
			'default'           => '',
			'sanitize_callback' => 'undersign_sanitize_server',
		)
	);
}

/** Add the page under Settings. */
function undersign_admin_menu() {
	add_options_page( 'Undersign', 'Undersign', 'manage_options', 'undersign', 'undersign_settings_page' );
}

/**
 * Accept the origin of a server: https, a host, maybe a port, and nothing else. Scripts come from there.
 *
 * @param mixed $entered What was entered.
 * @return string The origin, or "" to switch the plugin off; where it is neither, the setting stays as it was.
 */
function undersign_sanitize_server( $entered ) {
	$entered = trim( (string) $entered );
	if ( '' === $entered ) {
		return '';
	}
	if ( preg_match( '~^https://([a-z0-9-]+(?:\.[a-z0-9-]+)*)(:[0-9]{1,5})?/?$~i', $entered, $parts ) ) {
		return 'https://' . strtolower( $parts[1] ) . ( isset( $parts[2] ) ? $parts[2] : '' );
	}
	$error = __( 'Enter where the petition is, as in https://petition.example.org: without a path, a name or a password.', 'undersign' );
	add_settings_error( 'undersign_server', 'undersign_server', $error );
	return get_option( 'undersign_server', '' );
}

/** Show the page with the setting. */
function undersign_settings_page() {
	?>
	<div class="wrap">
		<h1>Undersign</h1>
		<form method="post" action="options.php">
			<?php settings_fields( 'undersign' ); ?>
			<table class="form-table" role="presentation"><tr>
				<th scope="row"><label for="undersign_server"><?php esc_html_e( 'Address of the petition’s server', 'undersign' ); ?></label></th>
				<td>
					<input type="url" class="regular-text" id="undersign_server" name="undersign_server" placeholder="https://petition.example.org" value="<?php echo esc_attr( get_option( 'undersign_server', '' ) ); ?>">
					<p class="description"><?php esc_html_e( 'The organisers must register this website’s address before the form appears on it. They tell you the campaign’s and your own short name, too.', 'undersign' ); ?></p>
				</td>
			</tr></table>
			<?php submit_button(); ?>
		</form>
	</div>
	<?php
}
